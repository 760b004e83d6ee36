"""FlexiCubes: a mesh from signed distances on a grid whose every cell bends the surface with learnt weights.

Source: Shen et al., "Flexible Isosurface Extraction for Gradient-Based Mesh Optimization", SIGGRAPH 2023
(arXiv 2308.05371), section 4: dual marching cubes with flexible dual vertices and flexible quad splitting.
Only cells that the surface crosses are needed.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from backend.geometry.flexicubes_tables import (
    CORNERS,
    EDGE_AXES,
    EDGE_STARTS,
    EDGES,
    dual_marching_cubes_tables,
)


@dataclass(frozen=True)
class FlexiCubesWeights:
    """The parameters of each cell."""

    edge: Float[Tensor, "cell 12"]
    """beta: weight of each crossing point in its dual vertex; positive."""
    corner: Float[Tensor, "cell 8"]
    """alpha: scales the corner's signed distance, so moves the crossings of its edges; positive."""
    split: Float[Tensor, " cell"]
    """gamma: quads are split along the diagonal with the greater product; positive."""


@dataclass(frozen=True)
class SurfaceCells:
    """Cells that the surface crosses, in increasing order of (x, y, z)."""

    index: Int[Tensor, "cell 3"]
    """Integer coordinates in the grid."""
    corners: Float[Tensor, "cell 8 3"]
    """Positions of the corners, in the order of CORNERS; they may be deformed."""
    sdf: Float[Tensor, "cell 8"]
    """Signed distances of the corners, negative inside."""


def activate_weights(raw: Float[Tensor, "cell 21"]) -> FlexiCubesWeights:
    """Network outputs to weights: alpha and beta in (0.5, 1.5), gamma in (0.25, 0.75)."""
    edge, corner, split = raw.split([12, 8, 1], dim=-1)
    return FlexiCubesWeights(
        1 + 0.5 * edge.tanh(), 1 + 0.5 * corner.tanh(), 0.25 + 0.5 * split[:, 0].sigmoid()
    )


def flexicubes(
    cells: SurfaceCells, weights: FlexiCubesWeights, resolution: int
) -> tuple[Float[Tensor, "vertex 3"], Int[Tensor, "face 3"]]:
    """Vertices and faces, counter-clockwise from outside. `resolution` counts the grid's cells per axis.

    Where the surface leaves the grid it stays open, and vertices there may belong to no face.
    """
    cases = _resolve_ambiguities(cells, resolution)
    tables = dual_marching_cubes_tables()
    patch = tables.patch.to(cases.device)[cases]
    counts = tables.patches.to(cases.device)[cases]
    first = counts.cumsum(0) - counts
    cell, edge = (patch >= 0).nonzero(as_tuple=True)
    dual = first[cell] + patch[cell, edge]

    vertices = _dual_vertices(cells, weights, cell, edge, dual, int(counts.sum()))
    quads = _quads(cells, resolution, cell, edge, dual)
    split = weights.split.repeat_interleave(counts)
    return vertices, _triangles(quads, split)


def _resolve_ambiguities(cells: SurfaceCells, resolution: int) -> Int[Tensor, " cell"]:
    """Each cell's case, complemented where it and a neighbour would make a non-manifold edge."""
    bits = 2 ** torch.arange(8, device=cells.sdf.device)
    cases = ((cells.sdf < 0) * bits).sum(-1)
    towards = dual_marching_cubes_tables().towards.to(cases.device)[cases]
    doubtful = towards.any(-1)
    position = _find(cells.index, cells.index + towards, resolution)
    both = doubtful & (position >= 0) & doubtful[position]
    return torch.where(both, 255 - cases, cases)


def _find(
    index: Int[Tensor, "cell 3"], wanted: Int[Tensor, "query 3"], resolution: int
) -> Int[Tensor, " query"]:
    """Rows of the wanted cells, -1 where they are not among the cells."""
    strides = index.new_tensor([resolution**2, resolution, 1])
    keys, queries = (index * strides).sum(-1), (wanted * strides).sum(-1)
    rows = torch.searchsorted(keys, queries).clamp_max(len(keys) - 1)
    in_grid = ((wanted >= 0) & (wanted < resolution)).all(-1)
    return torch.where(in_grid & (keys[rows] == queries), rows, -1)


def _dual_vertices(
    cells: SurfaceCells,
    weights: FlexiCubesWeights,
    cell: Int[Tensor, " crossing"],
    edge: Int[Tensor, " crossing"],
    dual: Int[Tensor, " crossing"],
    count: int,
) -> Float[Tensor, "vertex 3"]:
    """The weighted mean of each patch's crossing points, themselves moved by the corners' weights."""
    a, b = torch.tensor(EDGES, device=cell.device)[edge].unbind(-1)
    distance_a = cells.sdf[cell, a] * weights.corner[cell, a]
    distance_b = cells.sdf[cell, b] * weights.corner[cell, b]
    along = (distance_a / (distance_a - distance_b))[:, None]
    crossing = cells.corners[cell, a] * (1 - along) + cells.corners[cell, b] * along
    beta = weights.edge[cell, edge]
    total = beta.new_zeros(count).index_add(0, dual, beta)
    weighted = beta.new_zeros(count, 3).index_add(0, dual, crossing * beta[:, None])
    return weighted / total[:, None]


def _quads(
    cells: SurfaceCells,
    resolution: int,
    cell: Int[Tensor, " crossing"],
    edge: Int[Tensor, " crossing"],
    dual: Int[Tensor, " crossing"],
) -> Int[Tensor, "quad 4"]:
    """One quad for each crossed grid edge that has all of its four cells."""
    device = cell.device
    start = (
        cells.index[cell]
        + torch.tensor(CORNERS, device=device)[torch.tensor(EDGE_STARTS, device=device)[edge]]
    )
    strides = start.new_tensor([(resolution + 1) ** 2, resolution + 1, 1])
    grid_edge = (start * strides).sum(-1) * 3 + torch.tensor(EDGE_AXES, device=device)[edge]
    _, owner, cell_count = grid_edge.unique(return_inverse=True, return_counts=True)
    complete = cell_count[owner] == 4
    # Stable, so that an edge's four cells stay in the order of their indices.
    order = owner[complete].argsort(stable=True)
    duals = dual[complete][order].reshape(-1, 4)
    outwards = _starts_outside(cells, cell[complete][order][::4], edge[complete][order][::4])
    return torch.where(outwards[:, None], duals[:, [0, 1, 3, 2]], duals[:, [2, 3, 1, 0]])


def _starts_outside(
    cells: SurfaceCells, cell: Int[Tensor, " quad"], edge: Int[Tensor, " quad"]
) -> Bool[Tensor, " quad"]:
    start = torch.tensor(EDGES, device=cell.device)[edge, 0]
    return cells.sdf[cell, start] >= 0


def _triangles(quads: Int[Tensor, "quad 4"], split: Float[Tensor, " vertex"]) -> Int[Tensor, "2*quad 3"]:
    gamma = split[quads]
    even = (gamma[:, 0] * gamma[:, 2] > gamma[:, 1] * gamma[:, 3])[:, None]
    faces = torch.where(even, quads[:, [0, 1, 2, 0, 2, 3]], quads[:, [0, 1, 3, 3, 1, 2]])
    return faces.reshape(-1, 3)
