"""How a model's axes lie in Bozzetto's frame (+Y up, the reference camera on +Z)."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

X, Y, Z = 0, 1, 2


@dataclass(frozen=True)
class ModelAxes:
    """A rotation by right angles. Coordinates are picked, not multiplied, so no precision is lost."""

    axes: tuple[int, int, int]
    """Which of the model's coordinates are Bozzetto's x, y and z."""
    signs: tuple[int, int, int] = (1, 1, 1)
    """And with which sign."""

    def to_bozzetto(self, points: Float[Tensor, "*shape 3"]) -> Float[Tensor, "*shape 3"]:
        return points[..., list(self.axes)] * points.new_tensor(self.signs)

    def to_model(self, points: Float[Tensor, "*shape 3"]) -> Float[Tensor, "*shape 3"]:
        back = [self.axes.index(axis) for axis in (X, Y, Z)]
        return points[..., back] * points.new_tensor([self.signs[axis] for axis in back])


Z_UP_CAMERA_ON_X = ModelAxes((Y, Z, X))
"""(x, y, z) -> (y, z, x): TripoSR and InstantMesh."""
Z_UP_CAMERA_ON_MINUS_Y = ModelAxes((X, Z, Y), (1, 1, -1))
"""(x, y, z) -> (x, z, -y): OpenLRM."""
