"""Stage 4: from the views, or from the image itself, to a field of SDF, albedo, roughness and metallic."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Float32, Int32
from torch import Tensor

from backend.device import autocast
from backend.models.interfaces import OnFraction, ReconstructedField, SurfacedField
from backend.packs.loading import LrmPack, Pack
from backend.pipeline.seen_field import shaped_as_seen
from backend.pipeline.stage_data import Field, FieldSamples, Foreground, NormalViews, Progress, Views


def reconstruct_field(views: Views, normal_views: NormalViews, pack: Pack, progress: Progress) -> Field:
    """Encode the views; the field is then queried by the mesh and texture stages.

    Where the views' model located what the reference shows, that gives the field its shape.
    """
    progress.advance("field", 0.0)
    with autocast(pack.device):
        encoded = pack.reconstructor.reconstruct(views.rgba, normal_views.normals, normal_views.depth)
    field = _on_device(encoded, pack.device)
    if views.seen is not None:
        field = shaped_as_seen(field, views.seen)
    progress.advance("field", 1.0)
    return field


def reconstruct_field_of_image(foreground: Foreground, pack: LrmPack, progress: Progress) -> Field:
    """Encode the image itself; the field is then queried by the mesh and texture stages."""
    progress.advance("field", 0.0)
    reference = np.round(foreground.image * 255).astype(np.uint8)
    with autocast(pack.device):
        field = pack.reconstructor.reconstruct(reference)
    progress.advance("field", 1.0)
    return _on_device(field, pack.device)


def _on_device(field: ReconstructedField, device: torch.device) -> Field:
    if isinstance(field, SurfacedField):
        return _DeviceSurfacedField(field, device)
    return _DeviceField(field, device)


class _DeviceField:
    """Queries run in the device's precision and come back where the points were."""

    def __init__(self, field: ReconstructedField, device: torch.device) -> None:
        self._field = field
        self._device = device
        self.half_extent = field.half_extent

    def sdf(self, points: Float[Tensor, "point 3"]) -> Float[Tensor, " point"]:
        with autocast(self._device):
            return self._field.sdf(points.to(self._device)).float().to(points.device)

    def sample(self, points: Float[Tensor, "point 3"]) -> FieldSamples:
        with autocast(self._device):
            values = self._field.sample(points.to(self._device))
        home = points.device
        return FieldSamples(
            values.sdf.float().to(home),
            values.albedo.float().to(home),
            None if values.roughness is None else values.roughness.float().to(home),
            None if values.metallic is None else values.metallic.float().to(home),
        )


class _DeviceSurfacedField(_DeviceField):
    """The same for a field that brings its own surface."""

    def __init__(self, field: SurfacedField, device: torch.device) -> None:
        super().__init__(field, device)
        self._surfaced = field

    def surface(
        self, on_fraction: OnFraction
    ) -> tuple[Float32[np.ndarray, "vertex 3"], Int32[np.ndarray, "face 3"]]:
        with autocast(self._device):
            vertices, faces = self._surfaced.surface(on_fraction)
        return vertices.float().cpu().numpy(), faces.int().cpu().numpy()
