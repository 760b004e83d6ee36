"""Train the object-coordinate net: front and back surface positions, and the elevation, from one image."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from backend.device import channels_last
from backend.models.multiview.coordinate_net import CoordinateNet, ObjectCoordinates, camera_axes
from backend.training.augmentation import recolour
from backend.training.reference_dataset import ReferenceBatch

_SLOPE_WEIGHT = 1.0
_ELEVATION_WEIGHT = 0.3


class CoordinateTask:
    """L1 on positions over the object's pixels, on their slopes between neighbours (the gradient matching of
    MiDaS, Ranftl et al. 2020, equation 11), and on the elevation."""

    name = "coordinates"

    def __init__(self, net: CoordinateNet, precision: torch.dtype) -> None:
        self.module: nn.Module = channels_last(net)
        self._precision = precision

    def _errors(
        self, batch: ReferenceBatch, reference: Float[Tensor, "batch 4 h w"]
    ) -> tuple[dict[str, Float[Tensor, ""]], ObjectCoordinates]:
        device = reference.device.type
        with (
            torch.autocast(device, dtype=self._precision, enabled=self._precision != torch.float32),
            # The tokens are few: plain attention is a tenth faster a step than the fused kernel's backward.
            sdpa_kernel(SDPBackend.MATH),
        ):
            seen: ObjectCoordinates = self.module(reference)
        axes = camera_axes(batch.elevation)
        # Zero positions are the background's: a pixel counts if the ray through it hit something.
        weight = (batch.reference_front != 0).any(1, keepdim=True).float()
        weight = weight * (torch.nn.functional.avg_pool2d(batch.reference_rgba[:, 3:], 2) > 0.5)
        errors = {"elevation": (seen.elevation - batch.elevation).abs().mean()}
        slope = torch.zeros((), device=reference.device)
        for name, predicted, upright in (
            ("front", seen.front, batch.reference_front),
            ("back", seen.back, batch.reference_back),
        ):
            difference = predicted - torch.einsum("bij,bjhw->bihw", axes, upright)
            errors[name] = (difference.abs().sum(1, keepdim=True) * weight).sum() / weight.sum().clamp_min(1)
            slope = slope + _slopes(difference, weight)
        errors["slope"] = slope
        return errors, seen

    def loss(
        self, batch: ReferenceBatch, generator: torch.Generator
    ) -> tuple[Float[Tensor, ""], dict[str, float]]:
        errors, _ = self._errors(batch, recolour(batch.reference_rgba, generator)[0])
        loss = (
            errors["front"]
            + errors["back"]
            + _SLOPE_WEIGHT * errors["slope"]
            + _ELEVATION_WEIGHT * errors["elevation"] / 30.0
        )
        return loss, {name: error.item() for name, error in errors.items()}

    def validate(self, batches: Sequence[ReferenceBatch], generator: torch.Generator) -> dict[str, float]:
        totals: dict[str, float] = {}
        for batch in batches:
            errors, seen = self._errors(batch, batch.reference_rgba)
            upright = seen.upright()[0]
            inside = (batch.reference_front != 0).any(1, keepdim=True).float()
            world = (
                (upright - batch.reference_front).abs().sum(1, keepdim=True) * inside
            ).sum() / inside.sum()
            for name, error in (*errors.items(), ("front_upright", world)):
                totals[f"val_{name}"] = totals.get(f"val_{name}", 0.0) + float(error) / len(batches)
        return totals


def _slopes(
    difference: Float[Tensor, "batch 3 h w"], weight: Float[Tensor, "batch 1 h w"]
) -> Float[Tensor, ""]:
    """Mean absolute slope of the error, over neighbours that are both inside, at three scales."""
    total = torch.zeros((), device=difference.device)
    for step in (1, 2, 4):
        across = (difference[..., step:] - difference[..., :-step]).abs().sum(1, keepdim=True)
        down = (difference[..., step:, :] - difference[..., :-step, :]).abs().sum(1, keepdim=True)
        both_across, both_down = (
            weight[..., step:] * weight[..., :-step],
            weight[..., step:, :] * weight[..., :-step, :],
        )
        total = total + (across * both_across).sum() / both_across.sum().clamp_min(1)
        total = total + (down * both_down).sum() / both_down.sum().clamp_min(1)
    return total / 6
