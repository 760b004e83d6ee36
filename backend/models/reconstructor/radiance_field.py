"""A triplane radiance field as the pipeline's field.

Its surface is where the volume density reaches a threshold, found on the whole grid as the public programs
do. The density is decoded slab by slab, so memory holds one slab's activations and the grid itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from jaxtyping import Float, Int
from torch import Tensor

from backend.device import own_precision
from backend.geometry.axes import ModelAxes
from backend.geometry.density_surface import density_surface
from backend.models.interfaces import OnFraction, PointValues

LEAST_DENSITY = 1e-12
"""Keeps the logarithm of empty space finite."""


class RadianceNetwork(Protocol):
    """What decodes feature planes, in the model's own frame."""

    def radiance(
        self, planes: Float[Tensor, "3 channel size size"], points: Float[Tensor, "point 3"]
    ) -> tuple[Float[Tensor, "point 1"], Float[Tensor, "point 3"]]:
        """Volume density and sRGB colour."""

    def density_slabs(
        self, planes: Float[Tensor, "3 channel size size"], resolution: int
    ) -> Iterator[Float[Tensor, "resolution resolution"]]:
        """Density at the vertices of a grid over the cube of the planes: for each x a slab [y, z]."""


@dataclass(frozen=True)
class DensitySurface:
    """How a model's density becomes a surface."""

    threshold: float
    resolution: int
    """Grid vertices along each side of the cube."""
    half_extent: float
    """Of that cube, model units."""
    model_axes: ModelAxes
    table_axes: tuple[int, int, int]
    """Order in which marching cubes takes the axes (geometry.density_surface)."""


class RadianceField:
    """One reconstructed object; implements models.interfaces.SurfacedField.

    The decoder runs in full precision whatever made the planes: in bfloat16's eight bits the density would
    terrace the surface.
    """

    def __init__(
        self, network: RadianceNetwork, planes: Float[Tensor, "3 channel size size"], surface: DensitySurface
    ) -> None:
        self.half_extent = surface.half_extent
        self._network = network
        self._planes = planes.float()
        self._surface = surface

    def sdf(self, points: Float[Tensor, "point 3"]) -> Float[Tensor, " point"]:
        """log(threshold / density): negative inside, zero on the surface, but no distance.

        The logarithm, because density grows exponentially inwards: its gradient keeps the surface's
        direction over steps at which that of the density itself sees only the densest point.
        """
        return self.sample(points).sdf

    @torch.no_grad()
    def sample(self, points: Float[Tensor, "point 3"]) -> PointValues:
        """The colour is as lit in the image; the public networks know no materials."""
        with own_precision(self._planes.device):
            density, rgb = self._network.radiance(self._planes, self._surface.model_axes.to_model(points))
        sdf = -(density[:, 0].clamp_min(LEAST_DENSITY) / self._surface.threshold).log()
        return PointValues(sdf, rgb.clamp(0, 1), roughness=None, metallic=None)

    def albedo(self, points: Float[Tensor, "point 3"]) -> Float[Tensor, "point 3"]:
        """sRGB in [0, 1], as lit in the image."""
        return self.sample(points).albedo

    @torch.no_grad()
    def surface(self, on_fraction: OnFraction) -> tuple[Float[Tensor, "vertex 3"], Int[Tensor, "face 3"]]:
        """See models.interfaces.SurfacedField."""
        vertices, faces = density_surface(
            self.density_grid(on_fraction).numpy(),
            self._surface.threshold,
            self._surface.half_extent,
            self._surface.table_axes,
        )
        on_fraction(1.0)
        return self._surface.model_axes.to_bozzetto(torch.from_numpy(vertices)), torch.from_numpy(faces)

    @torch.no_grad()
    def density_grid(self, on_fraction: OnFraction) -> Float[Tensor, "x y z"]:
        """Density at the grid's vertices, in the model's own frame, on the CPU."""
        resolution = self._surface.resolution
        grid = torch.empty((resolution,) * 3)
        with own_precision(self._planes.device):
            slabs = self._network.density_slabs(self._planes, resolution)
            for index, slab in enumerate(slabs):
                grid[index] = slab.cpu()
                on_fraction((index + 1) / (resolution + 1))
        return grid
