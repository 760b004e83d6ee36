from __future__ import annotations

import numpy as np
import trimesh

from backend.geometry.mesh_cleaning import clean, decimate, face_components, keep_object, signed_volumes


def arrays(mesh: trimesh.Trimesh) -> tuple[np.ndarray, np.ndarray]:
    return mesh.vertices.astype(np.float32), mesh.faces.astype(np.int32)


def ball(radius: float, x: float = 0.0, subdivisions: int = 3) -> trimesh.Trimesh:
    mesh = trimesh.creation.icosphere(subdivisions, radius)
    mesh.apply_translation([x, 0, 0])
    return mesh


def test_specks_and_cavities_go_and_true_parts_stay() -> None:
    cavity = ball(0.2)
    cavity.invert()
    whole = trimesh.util.concatenate([ball(0.4), cavity, ball(0.15, x=1.0), ball(0.02, x=-0.7)])
    vertices, faces = keep_object(*arrays(whole))
    assert face_components(faces).max() + 1 == 2
    expected = ball(0.4).volume + ball(0.15).volume
    assert np.isclose(signed_volumes(vertices, faces).sum(), expected, rtol=1e-4)
    assert len(vertices) == faces.max() + 1


def test_smoothing_keeps_the_volume() -> None:
    noisy = ball(0.4, subdivisions=4)
    generator = np.random.default_rng(0)
    noisy.vertices += noisy.vertex_normals * generator.normal(0, 0.004, (len(noisy.vertices), 1))
    vertices, faces = clean(*arrays(noisy), smoothing_steps=3)
    radius = np.linalg.norm(vertices, axis=1)
    assert radius.std() < 0.6 * np.linalg.norm(noisy.vertices, axis=1).std()
    assert abs(signed_volumes(vertices, faces).sum() / noisy.volume - 1) < 0.005


def test_holes_are_closed() -> None:
    mesh = ball(0.4)
    vertices, faces = clean(mesh.vertices.astype(np.float32), mesh.faces[5:].astype(np.int32), 0)
    assert trimesh.Trimesh(vertices, faces, process=False).is_watertight


def test_the_face_limit_holds_and_the_shape_stays() -> None:
    mesh = trimesh.creation.torus(0.3, 0.12, major_sections=96, minor_sections=48)
    vertices, faces = decimate(*arrays(mesh), face_limit=1000)
    assert 900 <= len(faces) <= 1000
    decimated = trimesh.Trimesh(vertices, faces, process=False)
    assert decimated.is_watertight
    assert decimated.euler_number == 0
    assert abs(decimated.volume / mesh.volume - 1) < 0.01


def test_the_face_limit_holds_even_against_the_genus() -> None:
    rings = [trimesh.creation.torus(0.3, 0.02, major_sections=64, minor_sections=12) for _ in range(6)]
    for index, ring in enumerate(rings):
        ring.apply_translation([0.9 * index, 0, 0])
    _, faces = decimate(*arrays(trimesh.util.concatenate(rings)), face_limit=60)
    assert len(faces) <= 60
