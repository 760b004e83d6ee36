from __future__ import annotations

import numpy as np
import pytest
import torch
import trimesh
from torch import Tensor

from backend.errors import Cancelled, EmptySurfaceError
from backend.geometry.field_queries import batched_sdf, gradient_normals
from backend.models.presets import SurfaceConfig
from backend.pipeline import mesh as mesh_stage
from backend.pipeline.mesh import DETAIL_FACES, extract_mesh
from tests.backend.geometry.analytic_fields import (
    AnalyticField,
    SilentProgress,
    box,
    bumpy_sphere,
    capsules,
    sphere,
    torus,
)

VOLUMES = {
    "sphere": (sphere(), 4 / 3 * np.pi * 0.4**3),
    "box": (box(), 0.8 * 0.5 * 0.3),
    "torus": (torus(), 2 * np.pi**2 * 0.33 * 0.12**2),
}


@pytest.mark.parametrize("name", VOLUMES)
def test_mesh_is_the_analytic_solid(name: str) -> None:
    field, volume = VOLUMES[name]
    mesh = extract_mesh(field, 3000, SilentProgress(), SurfaceConfig(64))
    solid = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    assert abs(solid.volume * mesh.model_scale**3 / volume - 1) < 0.01
    points, faces = trimesh.sample.sample_surface(solid, 3000, seed=0)
    in_model = (points * mesh.model_scale + mesh.model_offset).astype(np.float32)
    sdf = batched_sdf(field)
    assert np.abs(sdf(in_model)).mean() < 0.001
    outward = gradient_normals(sdf, in_model, 0.005)
    assert np.quantile(np.einsum("pi,pi->p", outward, solid.face_normals[faces]), 0.02) > 0.7


@pytest.mark.parametrize("field", [capsules(), torus(), bumpy_sphere()], ids=["capsules", "torus", "bumpy"])
def test_budget_winding_closedness_and_frame(field: AnalyticField) -> None:
    mesh = extract_mesh(field, 1500, SilentProgress(), SurfaceConfig(64))
    assert 1000 < len(mesh.faces) <= 1500
    assert mesh.watertight
    assert mesh.components == 1
    solid = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    assert solid.is_winding_consistent
    assert solid.volume > 0
    lowest, highest = mesh.vertices.min(0), mesh.vertices.max(0)
    assert np.allclose(lowest + highest, 0, atol=1e-5)
    assert (highest - lowest).max() == pytest.approx(1)
    assert np.allclose(np.linalg.norm(mesh.normals, axis=1), 1, atol=1e-4)
    assert np.median(np.einsum("vi,vi->v", mesh.normals, solid.vertex_normals)) > 0.99


def test_denoising_spares_the_user_the_ripples_and_keeps_the_finer_surface() -> None:
    rippled = bumpy_sphere(height=0.004, frequency=110.0)
    rough, smooth = (
        extract_mesh(rippled, 3000, SilentProgress(), SurfaceConfig(64, denoised=d)) for d in (False, True)
    )
    assert rough.detail is None
    assert smooth.detail is not None
    assert len(smooth.faces) <= 3000 < len(smooth.detail.faces) <= DETAIL_FACES
    assert smooth.watertight
    angles = []
    for mesh in (rough, smooth):
        outward = mesh.vertices * mesh.model_scale + mesh.model_offset
        cosine = (mesh.normals * outward).sum(1) / np.linalg.norm(outward, axis=1)
        angles.append(np.degrees(np.arccos(cosine.clip(-1, 1))).mean())
    assert angles[1] < angles[0] / 2
    # The finer surface lies where the field is asked, not in the mesh's unit box.
    assert np.linalg.norm(smooth.detail.vertices, axis=1) == pytest.approx(0.4, abs=0.015)


@pytest.mark.parametrize("denoised", [False, True])
def test_what_cleaning_leaves_nothing_of_is_said_to_be_too_small(
    monkeypatch: pytest.MonkeyPatch, denoised: bool
) -> None:
    monkeypatch.setattr(mesh_stage, "clean", lambda vertices, faces, smoothing: (vertices, faces[:0]))
    with pytest.raises(EmptySurfaceError, match="too small to be a solid"):
        extract_mesh(sphere(), 500, SilentProgress(), SurfaceConfig(32, denoised=denoised))


def test_specks_around_the_object_are_dropped() -> None:
    speck = torch.tensor([0.5, 0.5, 0.5])

    def distance(points: Tensor) -> Tensor:
        return torch.minimum(points.norm(dim=-1) - 0.3, (points - speck).norm(dim=-1) - 0.02)

    mesh = extract_mesh(AnalyticField(distance), 2000, SilentProgress(), SurfaceConfig(64))
    assert mesh.components == 1
    assert mesh.model_scale == pytest.approx(0.6, abs=0.01)


def test_a_noisy_field_gives_a_smooth_closed_surface() -> None:
    def distance(points: Tensor) -> Tensor:
        noise = torch.sin(points @ torch.tensor([311.0, 173.0, 239.0])) * 0.004
        return points.norm(dim=-1) - 0.4 + noise

    mesh = extract_mesh(AnalyticField(distance), 3000, SilentProgress(), SurfaceConfig(64))
    assert mesh.watertight
    direction = mesh.vertices / np.linalg.norm(mesh.vertices, axis=1, keepdims=True)
    assert np.median(np.einsum("vi,vi->v", mesh.normals, direction)) > 0.99


def test_no_surface_is_an_error() -> None:
    with pytest.raises(EmptySurfaceError, match="Try another seed"):
        extract_mesh(AnalyticField(lambda p: p.norm(dim=-1) + 0.1), 1000, SilentProgress(), SurfaceConfig(32))


def test_progress_grows_to_one_and_can_cancel() -> None:
    progress = SilentProgress()
    extract_mesh(sphere(), 500, progress, SurfaceConfig(64))
    assert progress.fractions == sorted(progress.fractions)
    assert progress.fractions[-1] == 1

    class Stop(SilentProgress):
        def advance(self, stage: str, fraction: float) -> None:
            raise Cancelled(stage)

    with pytest.raises(Cancelled, match="mesh"):
        extract_mesh(sphere(), 500, Stop(), SurfaceConfig(64))
