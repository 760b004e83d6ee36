"""The field's shape where the reference itself tells it.

Where the first and the last surface behind each pixel of the reference are located (`SeenSurfaces`), the
solid between them is known at first hand. The reconstructor sees it only over six small views that do not
quite agree: measured, its surface is farther from the truth, and rougher (training/LEDGER.md, 41).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from backend.geometry.relief import MeshDistance, triangulate_relief
from backend.models.interfaces import SeenSurfaces
from backend.pipeline.stage_data import Field, FieldSamples


def shaped_as_seen(field: Field, seen: SeenSurfaces) -> Field:
    """The field's materials on the solid that the reference shows; the field itself if that has no face."""
    front, back = (surface.float().cpu().numpy() for surface in (seen.front, seen.back))
    vertices, faces = triangulate_relief(front, back, seen.shown.cpu().numpy())
    return _SeenField(field, MeshDistance(vertices, faces)) if len(faces) else field


class _SeenField:
    """One field's materials and another solid's distances."""

    def __init__(self, materials: Field, solid: MeshDistance) -> None:
        self._materials = materials
        self._solid = solid
        self.half_extent = materials.half_extent

    def sdf(self, points: Float[Tensor, "point 3"]) -> Float[Tensor, " point"]:
        return torch.from_numpy(self._solid(points.cpu().numpy())).to(points)

    def sample(self, points: Float[Tensor, "point 3"]) -> FieldSamples:
        values = self._materials.sample(points)
        return FieldSamples(self.sdf(points), values.albedo, values.roughness, values.metallic)
