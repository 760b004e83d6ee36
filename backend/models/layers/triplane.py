"""Reading a triplane: three feature planes sampled at the projections of a point.

Source: EG3D (arXiv 2112.07945, section 3.1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

X, Y, Z = 0, 1, 2

CACHED_POINTS = 4096
"""Points whose activations (64 wide: 1 MB) stay in a processor core's cache from layer to layer; a whole slab
at once takes up to twice as long."""


@dataclass(frozen=True)
class PlaneAxes:
    """For each plane, the coordinate that runs along its width and the one along its height."""

    planes: tuple[tuple[int, int], tuple[int, int], tuple[int, int]]


LRM_AXES = PlaneAxes(((X, Y), (X, Z), (Z, Y)))
"""InstantMesh and OpenLRM."""
TRIPOSR_AXES = PlaneAxes(((X, Y), (X, Z), (Y, Z)))


def sample_triplane(
    planes: Float[Tensor, "batch 3 channel height width"],
    points: Float[Tensor, "batch point 3"],
    axes: PlaneAxes,
) -> Float[Tensor, "batch point 3*channel"]:
    """Bilinear features, concatenated plane by plane. Points in [-1, 1]; zero outside."""
    projections = torch.stack([points[..., list(pair)] for pair in axes.planes], dim=1)
    sampled = functional.grid_sample(
        rearrange(planes, "b p c h w -> (b p) c h w"),
        rearrange(projections, "b p n uv -> (b p) n 1 uv"),
        mode="bilinear",
        padding_mode="zeros",
        align_corners=False,
    )
    return rearrange(sampled, "(b p) c n 1 -> b n (p c)", p=3)


def project_planes(
    planes: Float[Tensor, "3 channel height width"], decoder: nn.Sequential
) -> tuple[Float[Tensor, "3 hidden height width"], Callable[[Tensor], Tensor]]:
    """The planes after the decoder's first layer, and the rest of the decoder, which takes their sampled sum.

    `decoder` must begin with a Linear over the concatenated plane features. That layer is linear in the
    features and bilinear sampling is too, so it may be applied to the planes once instead of to every point.
    """
    first, rest = decoder[0], decoder[1:]
    if not isinstance(first, nn.Linear):
        raise TypeError(f"the decoder must begin with a Linear, not {type(first).__name__}")
    weights = rearrange(first.weight, "out (p c) -> p out c", p=3)

    def finish(summed: Float[Tensor, "*shape hidden"]) -> Float[Tensor, "*shape out"]:
        hidden = summed + first.bias
        if hidden.device.type != "cpu":
            return rest(hidden)
        blocks = hidden.flatten(0, -2).split(CACHED_POINTS)
        return torch.cat([rest(block) for block in blocks]).unflatten(0, hidden.shape[:-1])

    return torch.einsum("poc,pchw->pohw", weights, planes), finish


def decode_points(
    planes: Float[Tensor, "3 channel height width"],
    decoder: nn.Sequential,
    points: Float[Tensor, "point 3"],
    axes: PlaneAxes,
) -> Float[Tensor, "point out"]:
    """A decoder's values at points in [-1, 1]; outside, those of zero features. See `project_planes`."""
    projected, rest = project_planes(planes, decoder)
    projections = torch.stack([points[:, list(pair)] for pair in axes.planes])
    sampled = functional.grid_sample(
        projected, projections[:, :, None], padding_mode="zeros", align_corners=False
    )
    return rest(rearrange(sampled.sum(dim=0), "c n 1 -> n c"))


def decode_lattice(
    planes: Float[Tensor, "3 channel height width"],
    decoder: nn.Sequential,
    ticks: Float[Tensor, " tick"],
    axes: PlaneAxes,
) -> Iterator[Float[Tensor, "tick tick out"]]:
    """A decoder's values on the lattice ticks x ticks x ticks, slab by slab along x; slabs are [y, z].

    Since a lattice point projects onto a lattice of each plane, the sampled planes (see `project_planes`) are
    only added up. No point is ever sampled.
    """
    projected, rest = project_planes(planes, decoder)
    height, width = torch.meshgrid(ticks, ticks, indexing="ij")
    lattice = torch.stack([width, height], dim=-1).expand(3, -1, -1, -1)
    sampled = functional.grid_sample(projected, lattice, padding_mode="zeros", align_corners=False)

    def part(plane: int, x: int) -> Tensor:
        """The plane's share of the slab, to be broadcast over [y, z]."""
        along_width, along_height = axes.planes[plane]
        values = sampled[plane].movedim(0, -1)
        if along_width < along_height:
            values = values.transpose(0, 1)
        if X not in (along_width, along_height):
            return values
        return values[x][:, None] if Y in (along_width, along_height) else values[x][None, :]

    for x in range(len(ticks)):
        yield rest(part(0, x) + part(1, x) + part(2, x))
