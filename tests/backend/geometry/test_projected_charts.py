from __future__ import annotations

import numpy as np
import pytest

from backend.geometry.field_queries import batched_sdf
from backend.geometry.isosurface import extract_isosurface
from backend.geometry.mesh_cleaning import face_components
from backend.geometry.projected_charts import FACING, Charts, project_charts
from backend.geometry.ray_scene import RayScene
from backend.geometry.uv_atlas import PROJECTED_FROM, unwrap
from backend.geometry.vertex_frames import vertex_normals
from tests.backend.geometry.analytic_fields import AnalyticField, bumpy_sphere, capsules, sphere, torus


def mesh_of(field: AnalyticField, resolution: int = 64) -> tuple[np.ndarray, np.ndarray]:
    return extract_isosurface(batched_sdf(field), field.half_extent, resolution)


def areas(corners: np.ndarray) -> np.ndarray:
    """Of triangles in space, or signed in the plane."""
    one, other = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    if corners.shape[-1] == 2:
        return (one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0]) / 2
    return np.linalg.norm(np.cross(one, other), axis=-1) / 2


def overlapping_share(uvs: np.ndarray, faces: np.ndarray, samples: int = 20_000) -> float:
    """Share of random points of the charts over which a second face lies."""
    flat = np.concatenate([uvs, np.zeros((len(uvs), 1), np.float32)], axis=1)
    rng = np.random.default_rng(0)
    face = rng.integers(0, len(faces), samples)
    weights = rng.dirichlet((1, 1, 1), samples)
    points = np.einsum("ski,sk->si", flat[faces[face]], weights).astype(np.float32)
    scene = RayScene(flat, faces)
    hits = scene.cast(points + np.array([0, 0, 1]), np.broadcast_to([0, 0, -1], points.shape))
    others = (hits.face != face) & hits.hit
    # A point on an edge may be found in the neighbour: it lies there within rounding.
    inside = np.abs(hits.barycentric).min(axis=1) > 1e-3
    return float((others & inside).mean())


def count_of(charts: Charts) -> int:
    return int(face_components(charts.faces).max()) + 1


@pytest.mark.parametrize(
    "field", [sphere(), torus(), capsules(), bumpy_sphere()], ids=["sphere", "torus", "capsules", "bumpy"]
)
def test_charts_keep_faces_turn_and_shape(field: AnalyticField) -> None:
    vertices, faces = mesh_of(field)
    charts = project_charts(vertices, faces)
    assert np.array_equal(charts.source_vertex[charts.faces], faces)
    flat, solid = areas(charts.uvs[charts.faces]), areas(vertices[faces])
    proper = solid > 1e-3 * solid.mean()
    assert (flat[proper] > 0).all()
    ratio = flat[proper] / solid[proper]
    assert ratio.max() < 1 + 1e-3
    assert ratio.min() > FACING - 1e-3
    assert ratio.mean() > 0.75
    assert overlapping_share(charts.uvs, charts.faces) < 1e-3


def test_a_sphere_has_six_charts() -> None:
    charts = project_charts(*mesh_of(sphere()))
    assert count_of(charts) == 6


def test_a_spiral_is_taken_apart() -> None:
    """Three turns of a ramp, all of it facing up: its projection covers itself thrice."""
    angle = np.linspace(0, 6 * np.pi, 181)
    ring = np.stack([np.cos(angle), angle / 20, -np.sin(angle)], axis=1)
    scale = np.array([0.5, 1, 0.5])
    vertices = np.concatenate([ring * scale, ring]).astype(np.float32)
    i = np.arange(180)
    faces = np.concatenate(
        [np.stack([i, i + 181, i + 182], axis=1), np.stack([i, i + 182, i + 1], axis=1)]
    ).astype(np.int32)
    charts = project_charts(vertices, faces)
    assert (areas(charts.uvs[charts.faces]) > 0).all()
    assert count_of(charts) >= 3
    assert overlapping_share(charts.uvs, charts.faces) < 0.01


def test_large_meshes_are_packed_from_these_charts() -> None:
    vertices, faces = mesh_of(torus(), 128)
    assert len(faces) > PROJECTED_FROM, "or this tests nothing"
    atlas = unwrap(vertices, faces, vertex_normals(vertices, faces), 512)
    assert np.array_equal(atlas.source_vertex[atlas.faces], faces)
    assert atlas.uvs.min() >= 0
    assert atlas.uvs.max() <= 1
    # xatlas turns charts by swapping u and v, which the tangents' handedness makes good.
    flat, solid = np.abs(areas(atlas.uvs[atlas.faces])), areas(vertices[faces])
    proper = solid > 1e-3 * solid.mean()
    assert (flat[proper] > 0).all()
    assert flat.sum() > 0.4, "the map is well used"
    assert overlapping_share(atlas.uvs, atlas.faces) < 1e-3
    scale = np.sqrt(flat.sum() / solid.sum())
    assert (np.sqrt(flat[proper] / solid[proper]) / scale).min() > 0.6
