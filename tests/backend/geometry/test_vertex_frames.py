from __future__ import annotations

import numpy as np
import pytest
import trimesh

from backend.geometry.vertex_frames import vertex_normals, vertex_tangents


def test_sphere_normals_are_its_positions() -> None:
    mesh = trimesh.creation.icosphere(3)
    normals = vertex_normals(mesh.vertices.astype(np.float32), mesh.faces)
    assert np.abs(normals - mesh.vertices).max() < 0.01


def test_a_cube_corner_does_not_care_how_its_sides_are_triangulated() -> None:
    mesh = trimesh.creation.box()
    normals = vertex_normals(mesh.vertices.astype(np.float32), mesh.faces)
    assert np.allclose(normals, np.sign(mesh.vertices) / np.sqrt(3), atol=1e-6)


@pytest.mark.parametrize(
    ("transform", "tangent", "handedness"),
    [
        (np.eye(2), (1, 0, 0), 1),
        (np.array([[0, 1], [-1, 0]]), (0, 1, 0), 1),
        (np.array([[-1, 0], [0, 1]]), (-1, 0, 0), -1),
        (np.array([[1, 0], [0, -1]]), (1, 0, 0), -1),
    ],
)
def test_tangents_follow_u_and_bitangents_follow_v(
    transform: np.ndarray, tangent: tuple[int, int, int], handedness: int
) -> None:
    positions = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], np.float32)
    faces = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    normals = np.tile(np.array([0, 0, 1], np.float32), (4, 1))
    uvs = ((positions[:, :2] - 0.5) @ transform.T + 0.5).astype(np.float32)
    tangents = vertex_tangents(positions, faces, normals, uvs)
    assert np.allclose(tangents, [*tangent, handedness], atol=1e-6)
    bitangent = np.cross(normals[0], tangents[0, :3]) * tangents[0, 3]
    along_v = np.linalg.solve(transform, [0, 1])
    assert np.allclose(bitangent[:2], along_v, atol=1e-6)


def test_faces_without_uv_area_still_get_perpendicular_unit_tangents() -> None:
    mesh = trimesh.creation.icosphere(1)
    normals = mesh.vertices.astype(np.float32)
    tangents = vertex_tangents(normals, mesh.faces, normals, np.zeros((len(normals), 2), np.float32))
    assert np.allclose(np.linalg.norm(tangents[:, :3], axis=1), 1, atol=1e-5)
    assert np.abs(np.einsum("vi,vi->v", tangents[:, :3], normals)).max() < 1e-5
