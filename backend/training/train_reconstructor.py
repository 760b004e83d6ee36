"""Train the reconstructor on points: truncated SDF, occupancy, and materials on the surface."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from backend.models.reconstructor.nano_voxel import FieldValues, NanoVoxelReconstructor
from backend.training.augmentation import corrupt_views, recolour
from backend.training.loop import Batch

QUERIES = 2048
SURFACE_QUERIES = 768
_OCCUPANCY_WIDTH = 0.01
"""Model units over which the occupancy goes from full to empty."""
_SDF_LIMIT = 0.1


class ReconstructorTask:
    """The views given are corrupted half of the time (augmentation.corrupt_views)."""

    def __init__(self, net: NanoVoxelReconstructor, precision: torch.dtype) -> None:
        self.name = "reconstructor"
        self.module: nn.Module = net
        self._net = net
        self._precision = precision

    def loss(self, batch: Batch, generator: torch.Generator) -> tuple[Float[Tensor, ""], dict[str, float]]:
        rgba, transform = recolour(batch.view_rgba, generator)
        material = _recoloured(batch.surface_material, transform)
        rgba, normals, depth = corrupt_views(rgba, batch.view_normal, batch.view_depth, generator)
        chosen = torch.randperm(batch.points.shape[1], generator=generator)[:QUERIES]
        on_surface = torch.randperm(batch.surface_points.shape[1], generator=generator)[:SURFACE_QUERIES]
        points = torch.cat([batch.points[:, chosen], batch.surface_points[:, on_surface]], dim=1)
        values = self._run(rgba, normals, depth, points)
        target = batch.sdf[:, chosen]
        parts = self._parts(values, target, material[:, on_surface])
        total = (
            parts["occupancy"]
            + 10 * parts["sdf"]
            + parts["albedo"]
            + 0.3 * (parts["roughness"] + parts["metallic"])
        )
        return total, {name: value.item() for name, value in parts.items()}

    def validate(self, batches: Sequence[Batch], generator: torch.Generator) -> dict[str, float]:
        sums: dict[str, float] = {}
        for batch in batches:
            points = torch.cat([batch.points, batch.surface_points], dim=1)
            values = self._run(batch.view_rgba, batch.view_normal, batch.view_depth, points)
            figures = {k: v.item() for k, v in self._parts(values, batch.sdf, batch.surface_material).items()}
            count = batch.points.shape[1]
            predicted, true = values.sdf[:, :count] < 0, batch.sdf < 0
            figures["iou"] = ((predicted & true).sum() / (predicted | true).sum().clamp_min(1)).item()
            zero = torch.zeros_like(batch.view_depth)
            flat = self._run(batch.view_rgba, batch.view_normal, zero, points).sdf[:, :count] < 0
            figures["iou_without_depth"] = ((flat & true).sum() / (flat | true).sum().clamp_min(1)).item()
            for name, value in figures.items():
                sums[f"val_{name}"] = sums.get(f"val_{name}", 0.0) + value / len(batches)
        return sums

    def _run(
        self, rgba: Tensor, normals: Tensor, depth: Tensor, points: Float[Tensor, "batch point 3"]
    ) -> FieldValues:
        with torch.autocast(rgba.device.type, self._precision, enabled=self._precision != torch.float32):
            return self._net.decode(self._net(rgba, normals, depth), points)

    @staticmethod
    def _parts(
        values: FieldValues, sdf: Float[Tensor, "batch point"], material: Float[Tensor, "batch surface 5"]
    ) -> dict[str, Tensor]:
        count = sdf.shape[1]
        predicted = values.sdf[:, :count]
        return {
            "occupancy": functional.binary_cross_entropy_with_logits(
                -predicted / _OCCUPANCY_WIDTH, torch.sigmoid(-sdf / _OCCUPANCY_WIDTH)
            ),
            "sdf": (predicted.clamp(-_SDF_LIMIT, _SDF_LIMIT) - sdf.clamp(-_SDF_LIMIT, _SDF_LIMIT))
            .abs()
            .mean(),
            "albedo": (values.albedo[:, count:] - material[..., :3]).abs().mean(),
            "roughness": (values.roughness[:, count:] - material[..., 3]).abs().mean(),
            "metallic": (values.metallic[:, count:] - material[..., 4]).abs().mean(),
        }


def _recoloured(
    material: Float[Tensor, "batch surface 5"], transform: tuple[Tensor, Tensor]
) -> Float[Tensor, "batch surface 5"]:
    """The surface's albedo changed as `recolour` changed the views."""
    matrix, gain = transform
    albedo = torch.einsum("bij,bnj->bni", matrix, material[..., :3]) * gain[:, None]
    return torch.cat([albedo.clamp(0, 1), material[..., 3:]], dim=-1)
