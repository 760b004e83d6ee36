"""Stage 4: from the views to a field of SDF, albedo, roughness and metallic."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from backend.device import autocast
from backend.models.interfaces import ReconstructedField
from backend.packs.loading import Pack
from backend.pipeline.stage_data import Field, FieldSamples, NormalViews, Progress, Views


def reconstruct_field(views: Views, normal_views: NormalViews, pack: Pack, progress: Progress) -> Field:
    """Encode the views; the field is then queried by the mesh and texture stages."""
    progress.advance("field", 0.0)
    with autocast(pack.device):
        field = pack.reconstructor.reconstruct(views.rgba, normal_views.normals, normal_views.depth)
    progress.advance("field", 1.0)
    return _DeviceField(field, pack)


class _DeviceField:
    """Queries run in the device's precision and come back where the points were."""

    def __init__(self, field: ReconstructedField, pack: Pack) -> None:
        self._field = field
        self._device = pack.device
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
            values.roughness.float().to(home),
            values.metallic.float().to(home),
        )
