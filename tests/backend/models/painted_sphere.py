"""A painted sphere seen by any cameras, in closed form: true views that need no renderer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from backend.geometry.cameras import Cameras, orbit_cameras
from backend.models.multiview.coordinate_net import ObjectCoordinates

_SUPERSAMPLING = 4


@dataclass(frozen=True)
class SphereViews:
    """Zero outside the sphere, but for the coverage's fractions at its rim."""

    rgba: Float[Tensor, "view 4 size size"]
    normals: Float[Tensor, "view 3 size size"]
    depth: Float[Tensor, "view size size"]
    """Along the viewing axis."""
    front: Float[Tensor, "view 3 size size"]
    """World position of the first surface."""
    back: Float[Tensor, "view 3 size size"]
    """World position of the second."""


def view_sphere(
    cameras: Cameras, size: int, radius: float = 0.4, centre: tuple[float, float, float] = (0, 0, 0)
) -> SphereViews:
    """A sphere in `paint_of`'s colours."""
    origins, directions = cameras.rays(size * _SUPERSAMPLING)
    from_centre = origins - torch.tensor(centre)
    middle = -(from_centre * directions).sum(-1)
    half_chord = (radius**2 - from_centre.square().sum(-1) + middle**2).clamp_min(0).sqrt()
    hit = half_chord > 0
    front = origins + (middle - half_chord)[..., None] * directions
    back = origins + (middle + half_chord)[..., None] * directions
    forward = -cameras.camera_to_world[:, None, None, :3, 2]
    depth = ((front - origins) * forward).sum(-1, keepdim=True)
    normals = (front - torch.tensor(centre)) / radius
    channels = torch.cat([paint_of(front), normals, depth, front, back, torch.ones_like(depth)], -1)
    summed = _area_mean(channels * hit[..., None], size)
    coverage = summed[:, -1:]
    mean = summed[:, :-1] / coverage.clamp_min(1e-6)
    colour, normal, depth, front, back = mean.split([3, 3, 1, 3, 3], dim=1)
    unit = torch.nn.functional.normalize(normal, dim=1)
    return SphereViews(torch.cat([colour, coverage], 1), unit, depth[:, 0], front, back)


def reference_of_sphere(
    elevations: Sequence[float], size: int
) -> tuple[Float[Tensor, "image 4 2*size 2*size"], ObjectCoordinates]:
    """Reference images of the sphere, and what a perfect coordinate net answers to them."""
    cameras = orbit_cameras([0.0] * len(elevations), elevations, 4.0, 15.0)
    seen = view_sphere(cameras, size)
    axes = cameras.camera_to_world[:, :3, :3]
    front, back = (torch.einsum("vji,vjhw->vihw", axes, surface) for surface in (seen.front, seen.back))
    return view_sphere(cameras, 2 * size).rgba, ObjectCoordinates(front, back, torch.tensor(elevations))


def paint_of(points: Float[Tensor, "*point 3"]) -> Float[Tensor, "*point 3"]:
    """A colour gradient for each axis, so that no two sides look alike."""
    return (0.5 + 0.8 * points).clamp(0, 1)


def _area_mean(values: Float[Tensor, "view h w c"], size: int) -> Float[Tensor, "view c size size"]:
    return torch.nn.functional.interpolate(values.permute(0, 3, 1, 2), size=(size, size), mode="area")
