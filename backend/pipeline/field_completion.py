"""Parts of the object that the reference shows and the field lacks.

Thin parts get lost on the way over six small views: what no view shows, no field has. Where everything
behind a pixel of the reference, from its first surface to its last, lies well outside the field's solid,
that column is added to it.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from scipy.spatial import cKDTree
from torch import Tensor

from backend.models.interfaces import SeenSurfaces
from backend.pipeline.stage_data import Field, FieldSamples

COLUMN_POINTS = 24
"""Of each pixel: closer to each other than they are thick in all but the deepest columns."""
COLUMN_RADIUS = 0.012
"""Model units: a little more than half of the distance between the reference's pixels; columns join."""
LOST = 0.03
"""Model units that a column must stay away from the field's solid to be taken for a lost part's: along every
outline the field ends a little early or late, and what is added there shows as thorns."""
JOINT = 0.004
"""The same for the columns beside lost ones that join these to the solid."""
BESIDE = 0.04
"""Largest distance between the middles of columns that lie beside each other, model units."""


def complete_field(field: Field, seen: SeenSurfaces) -> Field:
    """The field with the columns that it lacks; the field itself if there are none."""
    front, back = seen.front.float().cpu(), seen.back.float().cpu()
    share = torch.linspace(0, 1, COLUMN_POINTS)[None, :, None]
    columns = front[:, None] + share * (back - front)[:, None]
    with torch.inference_mode():
        distance = field.sdf(columns.reshape(-1, 3)).reshape(columns.shape[:2])
    away, middle = distance.amin(1).numpy(), ((front + back) / 2).numpy()
    lost = away > LOST
    if not lost.any():
        return field
    to_lost, _ = cKDTree(middle[lost]).query(middle)
    added = columns.numpy()[(away > JOINT) & (to_lost < BESIDE)]
    return _CompletedField(field, added.reshape(-1, 3))


class _CompletedField:
    """The union of a field and balls around points."""

    def __init__(self, field: Field, points: np.ndarray) -> None:
        self._field = field
        self._points = cKDTree(points)
        self.half_extent = field.half_extent

    def sdf(self, points: Float[Tensor, "point 3"]) -> Float[Tensor, " point"]:
        return torch.minimum(self._field.sdf(points), self._to_columns(points))

    def sample(self, points: Float[Tensor, "point 3"]) -> FieldSamples:
        values = self._field.sample(points)
        distance = torch.minimum(values.sdf, self._to_columns(points))
        return FieldSamples(distance, values.albedo, values.roughness, values.metallic)

    def _to_columns(self, points: Float[Tensor, "point 3"]) -> Float[Tensor, " point"]:
        distance, _ = self._points.query(points.cpu().numpy())
        return torch.from_numpy(distance - COLUMN_RADIUS).to(points)
