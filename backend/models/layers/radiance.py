"""A radiance field's decoder over triplane features, with EG3D's activations (arXiv 2112.07945)."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from backend.models.layers.mlp import mlp
from backend.models.layers.triplane import LRM_AXES, decode_lattice, decode_points


class RadianceDecoder(nn.Module):
    """One head over triplane features: density and colour."""

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__()
        self.radiance = mlp(features, hidden, 4, 4, nn.ReLU)

    def forward(
        self, planes: Float[Tensor, "3 channel size size"], points: Float[Tensor, "point 3"]
    ) -> tuple[Float[Tensor, "point 1"], Float[Tensor, "point 3"]]:
        """Volume density and sRGB colour at points in the model frame."""
        density, rgb = decode_points(planes, self.radiance, points, LRM_AXES).split([1, 3], dim=-1)
        return activate_density(density), activate_rgb(rgb)

    def density_slabs(
        self, planes: Float[Tensor, "3 channel size size"], resolution: int
    ) -> Iterator[Float[Tensor, "resolution resolution"]]:
        """Density at the vertices of a grid over [-1, 1]^3: for each x a slab [y, z]."""
        ticks = torch.linspace(-1, 1, resolution, device=planes.device)
        for slab in decode_lattice(planes, self.radiance, ticks, LRM_AXES):
            yield activate_density(slab[..., 0])


def activate_rgb(raw: Tensor) -> Tensor:
    """A sigmoid widened to [-0.001, 1.001], so that it reaches black and white."""
    return torch.sigmoid(raw) * 1.002 - 0.001


def activate_density(raw: Tensor) -> Tensor:
    """A softplus shifted so that a fresh network is nearly transparent."""
    return functional.softplus(raw - 1)
