from __future__ import annotations

import numpy as np
import pytest
import trimesh

from backend.geometry.follow_normals import MOST_MOVED
from backend.geometry.mesh_cleaning import Faces, Vertices, face_areas, signed_volumes
from backend.geometry.mesh_denoising import ROUNDS, denoise, filter_normals

NOISE = 0.003


def cube() -> tuple[Vertices, Faces]:
    """Of side 0.6, in some 12,000 faces."""
    mesh = trimesh.creation.box((0.6, 0.6, 0.6)).subdivide_loop(0)
    for _ in range(5):
        mesh = mesh.subdivide()
    return mesh.vertices.astype(np.float32), mesh.faces.astype(np.int32)


def noisy(vertices: Vertices) -> Vertices:
    rng = np.random.default_rng(0)
    return (vertices + rng.normal(0, NOISE, vertices.shape)).astype(np.float32)


def face_normals(vertices: Vertices, faces: Faces) -> np.ndarray:
    return np.asarray(trimesh.Trimesh(vertices, faces, process=False).face_normals)


def degrees(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.degrees(np.arccos(np.clip((a * b).sum(-1), -1, 1)))


def test_planes_become_even_and_edges_stay() -> None:
    vertices, faces = cube()
    truth = face_normals(vertices, faces)
    rough = noisy(vertices)
    smooth = denoise(rough, faces)
    before, after = (degrees(face_normals(v, faces), truth) for v in (rough, smooth))
    assert before.mean() > 15
    assert after.mean() < before.mean() / 3
    # The faces along the edges too: a filter blind to creases would round them off.
    along_edge = (np.abs(vertices[faces]) > 0.299).sum(axis=(1, 2)) > 4
    assert 200 < along_edge.sum() < 2000
    assert after[along_edge].mean() < before[along_edge].mean() / 2
    assert np.abs(np.abs(smooth).max(axis=0) - 0.3).max() < 2 * NOISE


def test_the_volume_stays_and_nothing_goes_far() -> None:
    vertices, faces = cube()
    rough = noisy(vertices)
    smooth = denoise(rough, faces)
    assert smooth.dtype == np.float32
    assert signed_volumes(smooth, faces).sum() == pytest.approx(signed_volumes(rough, faces).sum(), rel=1e-4)
    assert np.linalg.norm(smooth - rough, axis=1).max() < MOST_MOVED + NOISE


def test_a_ball_stays_a_ball() -> None:
    mesh = trimesh.creation.icosphere(4, 0.4)
    vertices, faces = mesh.vertices.astype(np.float32), mesh.faces.astype(np.int32)
    radius = np.linalg.norm(denoise(vertices, faces), axis=1)
    assert radius == pytest.approx(0.4, abs=1e-3)


def test_normals_are_averaged_by_area() -> None:
    """Two faces in one plane and a small third at its edge, bent by less than a crease."""
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0], [1.1, 0.5, 0.01]], dtype=np.float32)
    faces = np.array([[0, 1, 2], [1, 3, 2], [1, 4, 3]], dtype=np.int32)
    areas = face_areas(vertices, faces)
    assert areas[2] < areas[0] / 5
    bent = degrees(face_normals(vertices, faces), np.array([0, 0, 1.0]))
    after = degrees(filter_normals(vertices, faces, ROUNDS), np.array([0, 0, 1.0]))
    assert after[2] < bent[2] / 3


def test_the_mesh_may_be_tiny() -> None:
    mesh = trimesh.creation.box((0.5, 0.5, 0.5))
    vertices, faces = mesh.vertices.astype(np.float32), mesh.faces.astype(np.int32)
    assert denoise(vertices, faces) == pytest.approx(vertices, abs=MOST_MOVED)
