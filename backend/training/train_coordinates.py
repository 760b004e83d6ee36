"""Train the object-coordinate net: front and back surface positions from one image."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from backend.geometry.point_cloud import elevation_from_coordinates
from backend.models.multiview.coordinate_net import CoordinateNet
from backend.training.augmentation import recolour
from backend.training.loop import Batch, channels_last


class CoordinateTask:
    """L1 on positions over the object's pixels."""

    name = "coordinates"

    def __init__(self, net: CoordinateNet, precision: torch.dtype) -> None:
        self.module: nn.Module = channels_last(net)
        self._precision = precision

    def _errors(
        self, batch: Batch, reference: Float[Tensor, "batch 4 h w"]
    ) -> tuple[Float[Tensor, ""], Float[Tensor, ""], Float[Tensor, "batch 3 h w"]]:
        device = reference.device.type
        with torch.autocast(device, dtype=self._precision, enabled=self._precision != torch.float32):
            front, back = self.module(reference.contiguous(memory_format=torch.channels_last))
        front, back = front.float(), back.float()
        weight = (batch.reference_rgba[:, 3:] > 0.5).float()
        total = weight.sum().clamp_min(1)
        front_error = ((front - batch.reference_front).abs().sum(1, keepdim=True) * weight).sum() / total
        back_error = ((back - batch.reference_back).abs().sum(1, keepdim=True) * weight).sum() / total
        return front_error, back_error, front

    def loss(self, batch: Batch, generator: torch.Generator) -> tuple[Float[Tensor, ""], dict[str, float]]:
        front, back, _ = self._errors(batch, recolour(batch.reference_rgba, generator)[0])
        return front + back, {"front": front.item(), "back": back.item()}

    def validate(self, batches: Sequence[Batch], generator: torch.Generator) -> dict[str, float]:
        fronts, backs, elevations = [], [], []
        for batch in batches:
            front, back, positions = self._errors(batch, batch.reference_rgba)
            fronts.append(float(front))
            backs.append(float(back))
            for k in range(len(positions)):
                mask = batch.reference_rgba[k, 3] > 0.5
                estimate, _ = elevation_from_coordinates(positions[k], mask)
                elevations.append(abs(estimate - float(batch.elevation[k])))
        return {
            "val_front": sum(fronts) / len(fronts),
            "val_back": sum(backs) / len(backs),
            "val_elevation_mean_degrees": sum(elevations) / len(elevations),
            "val_elevation_median_degrees": sorted(elevations)[len(elevations) // 2],
        }
