"""InstantMesh's field to a coloured mesh, evaluating each head only where the surface needs it.

The original decodes deformation and cell weights on the whole grid; only the cells that the surface
crosses enter the result, so only they are decoded here. Same values, a fraction of the memory.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from backend.errors import EmptySurfaceError
from backend.geometry.flexicubes import SurfaceCells, activate_weights, flexicubes
from backend.geometry.flexicubes_tables import CORNERS
from backend.models.interfaces import OnFraction
from backend.models.layers.triplane import LRM_AXES, decode_lattice
from backend.models.reconstructor.instantmesh import InstantMesh

CELLS_AT_ONCE = 4_096
"""Cells whose eight corners' features are gathered together; 31 MB at the large size."""
VERTICES_AT_ONCE = 1 << 16


def grid_ticks(cells: int, size: float) -> Float[Tensor, " tick"]:
    """Grid coordinates along an axis. The public weights saw the unit grid rounded to five decimals."""
    unit = (torch.arange(cells + 1, dtype=torch.float32) / cells * 1e5).round() / 1e5
    return (unit - 0.5) * size


@torch.no_grad()
def sdf_grid(
    model: InstantMesh, planes: Float[Tensor, "3 channel size size"], on_fraction: OnFraction = lambda _: None
) -> Float[Tensor, "tick tick tick"]:
    """Signed distances, indexed [x, y, z]."""
    ticks = grid_ticks(model.config.grid_cells, model.config.grid_size).to(planes)
    grid = planes.new_empty(len(ticks), len(ticks), len(ticks))
    for x, slab in enumerate(decode_lattice(planes, model.decoder.sdf, ticks, LRM_AXES)):
        grid[x] = slab[..., 0]
        on_fraction((x + 1) / len(ticks))
    return grid


def extract_mesh(
    model: InstantMesh, planes: Float[Tensor, "3 channel size size"]
) -> tuple[Float[Tensor, "vertex 3"], Int[Tensor, "face 3"]]:
    """Vertices in the model frame and faces, counter-clockwise from outside.

    Raises EmptySurfaceError if the field has one sign everywhere.
    """
    return mesh_of_grid(model, planes, sdf_grid(model, planes))


def closed_at_border(
    sdf: Float[Tensor, "tick tick tick"], distance: float
) -> Float[Tensor, "tick tick tick"]:
    """The same distances with the grid's own faces outside, so that no surface ends there."""
    closed = sdf.clamp_min(distance)
    closed[1:-1, 1:-1, 1:-1] = sdf[1:-1, 1:-1, 1:-1]
    return closed


@torch.no_grad()
def mesh_of_grid(
    model: InstantMesh,
    planes: Float[Tensor, "3 channel size size"],
    sdf: Float[Tensor, "tick tick tick"],
) -> tuple[Float[Tensor, "vertex 3"], Int[Tensor, "face 3"]]:
    """FlexiCubes over signed distances already decoded; as `extract_mesh`."""
    config = model.config
    index = crossed_cells(sdf)
    if len(index) == 0:
        side = "inside" if sdf[0, 0, 0] < 0 else "outside"
        raise EmptySurfaceError(
            f"InstantMesh found no surface: its whole grid is {side} the object. Try another seed or image."
        )
    corner_index = index[:, None, :] + torch.tensor(CORNERS, device=index.device)
    # A grid vertex belongs to as many as eight crossed cells; it is decoded once.
    strides = corner_index.new_tensor([len(sdf) ** 2, len(sdf), 1])
    _, vertex_of_corner = (corner_index * strides).sum(-1).unique(return_inverse=True)
    vertex_index = corner_index.new_empty(int(vertex_of_corner.max()) + 1, 3)
    vertex_index[vertex_of_corner.flatten()] = corner_index.flatten(0, 1)
    positions, features = _decode_vertices(model, planes, vertex_index)
    raw_weights = torch.cat(
        [model.decoder.cell_weights(features[cells]) for cells in vertex_of_corner.split(CELLS_AT_ONCE)]
    )
    cells = SurfaceCells(index, positions[vertex_of_corner], sdf[corner_index.unbind(-1)])
    return flexicubes(cells, activate_weights(raw_weights), config.grid_cells)


def _decode_vertices(
    model: InstantMesh, planes: Float[Tensor, "3 channel size size"], index: Int[Tensor, "vertex 3"]
) -> tuple[Float[Tensor, "vertex 3"], Float[Tensor, "vertex feature"]]:
    """Where the deformation moves grid vertices, and the features there before it."""
    ticks = grid_ticks(model.config.grid_cells, model.config.grid_size).to(planes)
    moved, features = [], []
    for chunk in index.split(VERTICES_AT_ONCE):
        positions = ticks[chunk]
        features.append(model.features(planes, positions))
        moved.append(positions + _deformation(model, features[-1]))
    return torch.cat(moved), torch.cat(features)


def crossed_cells(sdf: Float[Tensor, "tick tick tick"]) -> Int[Tensor, "cell 3"]:
    """Cells with corners of both signs, in increasing order of (x, y, z)."""
    inside = sdf < 0
    count = torch.zeros_like(inside[1:, 1:, 1:], dtype=torch.int8)
    n = len(sdf) - 1
    for x, y, z in CORNERS:
        count += inside[x : x + n, y : y + n, z : z + n]
    return ((count > 0) & (count < 8)).nonzero()


def _deformation(model: InstantMesh, features: Float[Tensor, "vertex feature"]) -> Float[Tensor, "vertex 3"]:
    """Displacement of grid vertices: less than a quarter of the unit grid's cell."""
    return model.decoder.deformation(features).tanh() / (4 * model.config.grid_cells)
