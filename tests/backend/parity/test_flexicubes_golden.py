"""FlexiCubes against the original implementation, and its tables against that implementation's hashes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable

import pytest
import torch
from goldens import Golden, assert_same_mesh

from backend.geometry.flexicubes import FlexiCubesWeights, SurfaceCells, activate_weights, flexicubes
from backend.geometry.flexicubes_tables import dual_marching_cubes_tables


@pytest.fixture(scope="module")
def original(golden: Callable[..., Golden]) -> Golden:
    return golden("instantmesh", "flexicubes_")


@pytest.mark.parametrize(
    "shape", ["sphere_pos_inside", "sphere_neg_inside", "noise", "sphere_default_weights"]
)
def test_meshes_equal_the_originals(original: Golden, shape: str) -> None:
    resolution = int(original.input("res"))
    corners = original.input("cubes")
    sdf = original.input(f"{shape}/sdf")[corners]
    index = torch.cartesian_prod(*[torch.arange(resolution)] * 3)
    if f"{shape}/weights" in original.input_names:
        weights = activate_weights(original.input(f"{shape}/weights"))
    else:
        ones = torch.ones(len(corners))
        weights = FlexiCubesWeights(ones[:, None].expand(-1, 12), ones[:, None].expand(-1, 8), ones)
    crossed = (sdf < 0).any(-1) & (sdf >= 0).any(-1)
    cells = SurfaceCells(index[crossed], original.input(f"{shape}/x")[corners][crossed], sdf[crossed])
    weights = FlexiCubesWeights(weights.edge[crossed], weights.corner[crossed], weights.split[crossed])
    vertices, faces = flexicubes(cells, weights, resolution)
    outputs = original.outputs
    assert_same_mesh(vertices, faces, outputs[f"{shape}/vertices"], outputs[f"{shape}/faces"])


def test_tables_equal_the_originals(original: Golden) -> None:
    """Dual vertices of each case, and which cases are resolved with which neighbour.

    The original's third table lists the edges of each dual vertex in an order of its own; the meshes, which
    do not depend on it, are compared above instead.
    """
    hashes = json.loads((original.folder / "flexicubes_table_sha256.json").read_text())
    tables = dual_marching_cubes_tables()
    doubtful = tables.towards.any(-1, keepdim=True).long()
    complement = 255 - torch.arange(256)[:, None]
    check = torch.cat([doubtful, tables.towards, complement * doubtful], dim=-1)
    for name, table in (("num_vd_table", tables.patches), ("check_table", check)):
        assert hashlib.sha256(table.numpy().tobytes()).hexdigest() == hashes[name], name
