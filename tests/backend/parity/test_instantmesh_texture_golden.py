"""InstantMesh's texture bake and export frame against the original program, and its other camera rigs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from goldens import Golden
from test_instantmesh_golden import small_config

from backend.geometry.cameras import VIEW_AZIMUTHS, VIEW_ELEVATIONS, orbit_cameras
from backend.geometry.texels import Texels, rasterise_texels
from backend.models.reconstructor.instantmesh import InstantMesh
from backend.models.reconstructor.instantmesh_field import (
    InstantMeshField,
    camera_vectors,
    from_model_frame,
    to_model_frame,
)
from backend.packs.public_names import INSTANTMESH_NAMES
from backend.packs.strict_loading import load_strictly

SIZE = 128


@pytest.fixture(scope="module")
def baked(golden: Callable[..., Golden]) -> Golden:
    return golden("instantmesh", "texture_")


@pytest.fixture(scope="module")
def texels(baked: Golden) -> Texels:
    return rasterise_texels(baked.array("xatlas_uvs"), baked.array("xatlas_indices").astype(np.int32), SIZE)


def rows_from_top(image: np.ndarray) -> np.ndarray:
    """The original's buffers begin with the row of v = 0."""
    return image[::-1].reshape(SIZE * SIZE, -1)


def test_texels_lie_where_the_originals_do(baked: Golden, texels: Texels) -> None:
    covered = np.zeros(SIZE * SIZE, bool)
    covered[texels.index] = True
    np.testing.assert_array_equal(covered, rows_from_top(baked.outputs["mask"])[:, 0])
    found = texels.hits.interpolate(baked.array("faces").astype(np.int32), baked.array("vertices"))
    expected = rows_from_top(baked.outputs["gb_pos"])[texels.index]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_texels_have_the_originals_colours(
    golden: Callable[..., Golden], baked: Golden, texels: Texels
) -> None:
    mesh = golden("instantmesh", "mesh_")
    with torch.device("meta"):
        model = InstantMesh(small_config(mesh))
    load_strictly(model, mesh.folder / "mesh_state.safetensors", INSTANTMESH_NAMES)
    field = InstantMeshField(model.eval(), mesh.output("planes")[0])
    points = torch.from_numpy(rows_from_top(baked.outputs["gb_pos"])[texels.index].copy())
    colours = field.albedo(from_model_frame(points)).numpy()
    expected = rows_from_top(baked.outputs["texture_map_chw"].transpose(1, 2, 0))[texels.index]
    np.testing.assert_allclose(colours, expected.clip(0, 1), atol=1e-4)
    saved = baked.outputs["saved_png_u8"].reshape(SIZE * SIZE, 3)[texels.index]
    difference = (colours * 255).astype(np.uint8).astype(int) - saved
    assert np.abs(difference).max() <= 1


def test_the_originals_glb_is_ours_turned_half_round(baked: Golden) -> None:
    """Its writer is given y-up vertices whose front is +z, as ours, and turns them about y."""
    ours = baked.array("vertices")
    np.testing.assert_allclose(baked.outputs["save_glb_vertices"], ours * [-1, 1, -1], atol=1e-6)
    np.testing.assert_array_equal(baked.outputs["save_glb_faces"], baked.array("faces"))


def test_other_camera_rigs(golden: Callable[..., Golden]) -> None:
    rigs = golden("instantmesh", "preproc_")
    wide = orbit_cameras(VIEW_AZIMUTHS, VIEW_ELEVATIONS, 2.5, 50.0)
    rigs.check("zero123plus_input_cameras_r2p5_fov50", camera_vectors(wide)[None])
    circle = orbit_cameras([0.0, 90.0, 180.0, 270.0], [20.0] * 4, 4.5)
    poses = circle.camera_to_world.clone()
    poses[:, :3] = to_model_frame(poses[:, :3].transpose(1, 2)).transpose(1, 2)
    rigs.check("circular_c2w_M4_r4p5_e20", poses)
