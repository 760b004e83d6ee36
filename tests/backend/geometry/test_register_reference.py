from __future__ import annotations

import numpy as np
import pytest
import torch

from backend.errors import ForegroundError
from backend.geometry.cameras import Cameras, orbit_cameras
from backend.geometry.ray_scene import RayScene
from backend.geometry.register_reference import mask_iou, register_reference
from backend.geometry.render import cast_camera
from backend.models.presets import SurfaceConfig
from backend.pipeline.mesh import extract_mesh
from backend.pipeline.stage_data import Mesh
from tests.backend.geometry.analytic_fields import SilentProgress, box, capsules, sphere, torus


def silhouette(mesh: Mesh, camera: Cameras, size: int = 200) -> np.ndarray:
    return cast_camera(RayScene(mesh.vertices, mesh.faces), camera, size).mask


def angles(camera: Cameras) -> tuple[float, float]:
    x, y, z = camera.positions[0].tolist()
    return np.degrees(np.arctan2(y, np.hypot(x, z))), np.degrees(np.arctan2(x, z))


@pytest.mark.parametrize("field", [capsules(), torus(), box()], ids=["capsules", "torus", "box"])
def test_finds_the_camera_again_from_a_wrong_elevation(field: object) -> None:
    mesh = extract_mesh(field, 2000, SilentProgress(), SurfaceConfig(64))
    truth = orbit_cameras([2.5], [18.0], 2.6, centre=(0.06, -0.04))
    mask = silhouette(mesh, truth).astype(np.float32)
    found = register_reference(mesh.vertices, mesh.faces, mask, elevation_degrees=11.0)
    assert mask_iou(silhouette(mesh, found), mask > 0.5) > 0.98
    elevation, azimuth = angles(found)
    assert abs(elevation - 18.0) < 4
    assert abs(azimuth - 2.5) < 5
    assert torch.allclose(found.focal, truth.focal)


def test_an_ambiguous_silhouette_leaves_the_estimate_alone() -> None:
    mesh = extract_mesh(sphere(), 1000, SilentProgress(), SurfaceConfig(32))
    mask = silhouette(mesh, orbit_cameras([0.0], [25.0], 2.6)).astype(np.float32)
    elevation, azimuth = angles(register_reference(mesh.vertices, mesh.faces, mask, 10.0))
    assert abs(elevation - 10) < 6
    assert abs(azimuth) < 4


def test_an_object_with_another_shape_than_the_mesh_is_still_framed() -> None:
    mesh = extract_mesh(capsules(), 1000, SilentProgress(), SurfaceConfig(32))
    mask = np.zeros((200, 200), np.float32)
    mask[40:160, 70:150] = 1
    found = silhouette(mesh, register_reference(mesh.vertices, mesh.faces, mask, 10.0))
    rows, columns = np.flatnonzero(found.any(1)), np.flatnonzero(found.any(0))
    assert abs((rows[0] + rows[-1]) / 2 - 100) < 12
    assert abs((columns[0] + columns[-1]) / 2 - 110) < 20
    assert mask_iou(found, mask > 0.5) > 0.4


def test_an_empty_mask_is_refused() -> None:
    mesh = extract_mesh(torus(), 500, SilentProgress(), SurfaceConfig(32))
    with pytest.raises(ForegroundError, match="empty"):
        register_reference(mesh.vertices, mesh.faces, np.zeros((64, 64), np.float32), 0.0)
