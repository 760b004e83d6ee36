"""FlexiCubes without its goldens: closed, manifold, outward, and in the right place."""

from __future__ import annotations

import torch
from torch import Tensor

from backend.geometry.flexicubes import SurfaceCells, activate_weights, flexicubes
from backend.geometry.flexicubes_tables import CORNERS, EDGES, dual_marching_cubes_tables

RESOLUTION = 12


def mesh_of(sdf: Tensor) -> tuple[Tensor, Tensor]:
    """The surface of distances at the vertices of a unit grid, with random cell weights."""
    corners = torch.tensor(CORNERS)
    index = torch.cartesian_prod(*[torch.arange(RESOLUTION)] * 3)
    values = sdf[(index[:, None] + corners).unbind(-1)]
    crossed = (values < 0).any(-1) & (values >= 0).any(-1)
    index, values = index[crossed], values[crossed]
    weights = activate_weights(torch.randn(len(index), 21, generator=torch.Generator().manual_seed(5)))
    return flexicubes(
        SurfaceCells(index, (index[:, None] + corners) / RESOLUTION, values), weights, RESOLUTION
    )


def grid() -> Tensor:
    ticks = torch.linspace(0, 1, RESOLUTION + 1)
    return torch.stack(torch.meshgrid(ticks, ticks, ticks, indexing="ij"), dim=-1)


def edge_uses(faces: Tensor) -> Tensor:
    edges = torch.cat([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    return edges.sort(dim=1).values.unique(dim=0, return_counts=True)[1]


def test_a_sphere_is_closed_and_outward() -> None:
    radius = 0.35
    vertices, faces = mesh_of((grid() - 0.5).norm(dim=-1) - radius)
    assert (edge_uses(faces) == 2).all()
    a, b, c = (vertices - 0.5)[faces].unbind(1)
    volume = (a * torch.linalg.cross(b, c)).sum() / 6
    assert abs(float(volume) / (4 / 3 * torch.pi * radius**3) - 1) < 0.1
    assert ((vertices - 0.5).norm(dim=-1) - radius).abs().max() < 0.5 / RESOLUTION


def test_noise_has_no_non_manifold_edge() -> None:
    """Noise meets every ambiguous case and every pair of them."""
    sdf = torch.randn(*[RESOLUTION + 1] * 3, generator=torch.Generator().manual_seed(1))
    outside = torch.ones_like(sdf)
    outside[1:-1, 1:-1, 1:-1] = sdf[1:-1, 1:-1, 1:-1]
    _, faces = mesh_of(outside)
    assert (edge_uses(faces) == 2).all()


def test_every_case_uses_its_crossed_edges_once() -> None:
    tables = dual_marching_cubes_tables()
    for case in range(256):
        crossed = torch.tensor([(case >> a & 1) != (case >> b & 1) for a, b in EDGES])
        assert torch.equal(tables.patch[case] >= 0, crossed)
        assert int(tables.patch[case].max()) + 1 == int(tables.patches[case])
