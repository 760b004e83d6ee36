"""Fields known in closed form, painted so that a mirrored or flipped texture shows."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from backend.pipeline.stage_data import FieldSamples


class AnalyticField:
    """A signed distance with painted albedo; implements `Field`."""

    def __init__(self, distance: Callable[[Tensor], Tensor], half_extent: float = 0.6) -> None:
        self.half_extent = half_extent
        self._distance = distance

    def sdf(self, points: Tensor) -> Tensor:
        return self._distance(points)

    def sample(self, points: Tensor) -> FieldSamples:
        roughness, metallic = 0.5 + 0.4 * points[:, 1], (points[:, 0] > 0).float()
        return FieldSamples(self.sdf(points), paint(points), roughness, metallic)


def paint(points: Tensor) -> Tensor:
    """A smooth colour gradient per axis, with a dark letter F on the front (+Z)."""
    colour = (0.55 + 0.7 * points).clamp(0.05, 0.95)
    x, y, z = points.unbind(-1)
    stem = (x > -0.14) & (x < -0.06) & (y.abs() < 0.22)
    top = (x > -0.14) & (x < 0.14) & (y > 0.14) & (y < 0.22)
    middle = (x > -0.14) & (x < 0.08) & (y > -0.02) & (y < 0.06)
    letter = (stem | top | middle) & (z > 0)
    return torch.where(letter[:, None], torch.tensor([0.05, 0.05, 0.3]), colour)


def sphere(radius: float = 0.4, centre: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> AnalyticField:
    return AnalyticField(lambda p: (p - torch.tensor(centre)).norm(dim=-1) - radius)


def box(half: tuple[float, float, float] = (0.4, 0.25, 0.15)) -> AnalyticField:
    def distance(p: Tensor) -> Tensor:
        q = p.abs() - torch.tensor(half)
        return q.clamp_min(0).norm(dim=-1) + q.amax(dim=-1).clamp_max(0)

    return AnalyticField(distance)


def torus(ring: float = 0.33, tube: float = 0.12) -> AnalyticField:
    """Around the z axis, so that the front camera looks through the hole."""

    def distance(p: Tensor) -> Tensor:
        around = p[:, :2].norm(dim=-1) - ring
        return torch.stack([around, p[:, 2]], dim=-1).norm(dim=-1) - tube

    return AnalyticField(distance)


def bumpy_sphere(radius: float = 0.4, height: float = 0.015, frequency: float = 22.0) -> AnalyticField:
    """Bumps finer than a coarse mesh; nearly a distance."""

    def distance(p: Tensor) -> Tensor:
        bumps = torch.sin(frequency * p).prod(dim=-1)
        return (p.norm(dim=-1) - radius - height * bumps) * 0.8

    return AnalyticField(distance)


def capsules() -> AnalyticField:
    """A T of two capsules, its arm longer on +X: nothing about it is symmetric left to right."""

    def capsule(p: Tensor, a: Tensor, b: Tensor, radius: float) -> Tensor:
        along = ((p - a) @ (b - a) / (b - a).dot(b - a)).clamp(0, 1)
        return (p - a - along[:, None] * (b - a)).norm(dim=-1) - radius

    def distance(p: Tensor) -> Tensor:
        body = capsule(p, torch.tensor([0.0, -0.35, 0.0]), torch.tensor([0.0, 0.3, 0.0]), 0.14)
        arm = capsule(p, torch.tensor([-0.15, 0.2, 0.05]), torch.tensor([0.42, 0.1, 0.1]), 0.09)
        return torch.minimum(body, arm)

    return AnalyticField(distance)


class SilentProgress:
    """Hears the stages and keeps the fractions."""

    def __init__(self) -> None:
        self.fractions: list[float] = []

    def advance(self, stage: str, fraction: float) -> None:
        self.fractions.append(fraction)

    def preview(self, name: str, image: object) -> None:
        raise AssertionError("geometry has no previews")
