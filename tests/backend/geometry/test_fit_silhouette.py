from __future__ import annotations

import numpy as np
import pytest
import torch

from backend.geometry.cameras import Cameras, orbit_cameras
from backend.geometry.fit_silhouette import fit_silhouette
from backend.geometry.ray_scene import RayScene
from backend.geometry.register_reference import mask_iou
from backend.geometry.render import cast_camera
from backend.models.presets import SurfaceConfig
from backend.pipeline.mesh import extract_mesh
from tests.backend.geometry.analytic_fields import AnalyticField, SilentProgress, box, capsules, sphere, torus

CAMERA = orbit_cameras([10.0], [15.0], 2.6, centre=(0.03, -0.02))


def mesh_of(field: AnalyticField) -> tuple[np.ndarray, np.ndarray]:
    mesh = extract_mesh(field, 3000, SilentProgress(), SurfaceConfig(64))
    return mesh.vertices, mesh.faces


def mask_of(vertices: np.ndarray, faces: np.ndarray, camera: Cameras = CAMERA) -> np.ndarray:
    return cast_camera(RayScene(vertices, faces), camera, 256).mask


def bent(vertices: np.ndarray) -> np.ndarray:
    """Wider above, narrower below, and leaning."""
    x, y, z = vertices.T
    return np.stack([x * (1 + 0.35 * y) + 0.1 * y, y * 0.93, z], axis=1).astype(np.float32)


@pytest.mark.parametrize("field", [capsules(), torus(), box()], ids=["capsules", "torus", "box"])
def test_a_bent_outline_is_taken_over(field: AnalyticField) -> None:
    vertices, faces = mesh_of(field)
    target = mask_of(bent(vertices), faces)
    fitted = fit_silhouette(vertices, faces, CAMERA, target.astype(np.float32))
    before, after = (mask_iou(mask_of(v, faces), target) for v in (vertices, fitted))
    assert before < 0.93
    assert after > 0.97


def test_distances_from_the_camera_stay() -> None:
    vertices, faces = mesh_of(capsules())
    fitted = fit_silhouette(vertices, faces, CAMERA, mask_of(bent(vertices), faces).astype(np.float32))
    before, after = (CAMERA.project(torch.from_numpy(v))[1] for v in (vertices, fitted))
    assert np.abs(fitted - vertices).max() > 0.02
    assert (before - after).abs().max() < 1e-4


def test_a_mesh_that_fits_stays_as_it_is() -> None:
    vertices, faces = mesh_of(capsules())
    fitted = fit_silhouette(vertices, faces, CAMERA, mask_of(vertices, faces).astype(np.float32))
    assert np.abs(fitted - vertices).max() < 0.01


def test_what_the_mesh_lacks_pulls_nothing_along() -> None:
    vertices, faces = mesh_of(sphere())
    with_pole = mask_of(vertices, faces)
    columns = np.flatnonzero(with_pole.any(0))
    with_pole[126:130, columns[-1] : columns[-1] + 40] = True
    fitted = fit_silhouette(vertices, faces, CAMERA, with_pole.astype(np.float32))
    assert np.abs(fitted - vertices).max() < 0.08


@pytest.mark.parametrize("alpha", [np.zeros((64, 64), np.float32), np.ones((64, 64), np.float32)])
def test_a_mask_without_an_outline_changes_nothing_for_the_worse(alpha: np.ndarray) -> None:
    vertices, faces = mesh_of(sphere())
    fitted = fit_silhouette(vertices, faces, CAMERA, alpha)
    wanted = np.full((256, 256), bool(alpha[0, 0]))
    assert np.isfinite(fitted).all()
    assert mask_iou(mask_of(fitted, faces), wanted) >= mask_iou(mask_of(vertices, faces), wanted)
