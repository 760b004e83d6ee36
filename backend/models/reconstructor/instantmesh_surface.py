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
from backend.models.layers.triplane import LRM_AXES, decode_lattice
from backend.models.reconstructor.instantmesh import InstantMesh

CELLS_AT_ONCE = 16_384
"""Cells whose eight corners' features are held together; 250 MB at the large size."""


def grid_ticks(cells: int, size: float) -> Float[Tensor, " tick"]:
    """Grid coordinates along an axis. The public weights saw the unit grid rounded to five decimals."""
    unit = (torch.arange(cells + 1, dtype=torch.float32) / cells * 1e5).round() / 1e5
    return (unit - 0.5) * size


@torch.no_grad()
def sdf_grid(
    model: InstantMesh, planes: Float[Tensor, "3 channel size size"]
) -> Float[Tensor, "tick tick tick"]:
    """Signed distances, indexed [x, y, z]."""
    ticks = grid_ticks(model.config.grid_cells, model.config.grid_size).to(planes)
    slabs = decode_lattice(planes, model.decoder.sdf, ticks, LRM_AXES)
    return torch.stack([slab[..., 0] for slab in slabs])


def extract_mesh(
    model: InstantMesh, planes: Float[Tensor, "3 channel size size"]
) -> tuple[Float[Tensor, "vertex 3"], Int[Tensor, "face 3"]]:
    """Vertices in the model frame and faces, counter-clockwise from outside.

    Raises EmptySurfaceError if the field has one sign everywhere.
    """
    return mesh_of_grid(model, planes, sdf_grid(model, planes))


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
    ticks = grid_ticks(config.grid_cells, config.grid_size).to(planes)
    corners = torch.empty(len(index), 8, 3, device=planes.device)
    raw_weights = torch.empty(len(index), 21, device=planes.device)
    for start in range(0, len(index), CELLS_AT_ONCE):
        chunk = slice(start, start + CELLS_AT_ONCE)
        positions = ticks[corner_index[chunk]]
        features = model.features(planes, positions)
        corners[chunk] = positions + _deformation(model, features)
        raw_weights[chunk] = model.decoder.cell_weights(features)
    cells = SurfaceCells(index, corners, sdf[corner_index.unbind(-1)])
    return flexicubes(cells, activate_weights(raw_weights), config.grid_cells)


def crossed_cells(sdf: Float[Tensor, "tick tick tick"]) -> Int[Tensor, "cell 3"]:
    """Cells with corners of both signs, in increasing order of (x, y, z)."""
    inside = sdf < 0
    count = torch.zeros_like(inside[1:, 1:, 1:], dtype=torch.int8)
    n = len(sdf) - 1
    for x, y, z in CORNERS:
        count += inside[x : x + n, y : y + n, z : z + n]
    return ((count > 0) & (count < 8)).nonzero()


def _deformation(model: InstantMesh, features: Float[Tensor, "cell 8 feature"]) -> Float[Tensor, "cell 8 3"]:
    """Displacement of grid vertices: less than a quarter of the unit grid's cell."""
    return model.decoder.deformation(features).tanh() / (4 * model.config.grid_cells)
