from __future__ import annotations

import numpy as np
import pytest
import trimesh

from backend.geometry.relief import MeshDistance, triangulate_relief

SIZE = 48
RADIUS = 0.4


def pixels() -> tuple[np.ndarray, np.ndarray]:
    """x to the right and y up of the pixels of an orthographic camera on +Z."""
    steps = (np.arange(SIZE) + 0.5) / SIZE - 0.5
    x, y = np.meshgrid(steps, -steps)
    return x, y


def sphere() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x, y = pixels()
    squared = RADIUS**2 - x**2 - y**2
    z = np.sqrt(squared.clip(0))
    return np.stack([x, y, z]), np.stack([x, y, -z]), squared > 0


def plate(shown: np.ndarray, half_depth: float = 0.1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x, y = pixels()
    z = np.full_like(x, half_depth)
    return np.stack([x, y, z]), np.stack([x, y, -z]), shown


def test_a_spheres_two_halves_make_a_closed_outward_sphere() -> None:
    vertices, faces = triangulate_relief(*sphere())
    mesh = trimesh.Trimesh(vertices, faces, process=False)
    assert mesh.is_watertight
    assert mesh.volume == pytest.approx(4 / 3 * np.pi * RADIUS**3, rel=0.05)
    assert len(np.unique(faces)) == len(vertices), "no vertex is left over"


def test_holes_in_the_outline_are_walled_too() -> None:
    shown = np.zeros((SIZE, SIZE), bool)
    shown[4:24, 4:34] = True
    shown[10:18, 10:20] = False
    vertices, faces = triangulate_relief(*plate(shown))
    mesh = trimesh.Trimesh(vertices, faces, process=False)
    assert mesh.is_watertight
    assert mesh.euler_number == 0, "a ring"
    cut_corners = 4 * 0.5 + 0  # of the hole; the frame's own corners are whole squares
    # Corners of squares are pixel centres: the frame is one pixel narrower than shown, the hole one wider.
    area = (19 * 29 - 9 * 11 + cut_corners) / SIZE**2
    assert mesh.volume == pytest.approx(area * 0.2, rel=1e-6)


def test_a_staircase_is_cut() -> None:
    shown = np.tri(SIZE, dtype=bool)
    vertices, faces = triangulate_relief(*plate(shown))
    front = vertices[faces][(vertices[faces][..., 2] > 0).all(1)]
    area = trimesh.Trimesh(front.reshape(-1, 3), np.arange(len(front) * 3).reshape(-1, 3)).area
    assert area == pytest.approx((SIZE - 1) ** 2 / 2 / SIZE**2)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_few_pixels_make_no_face(count: int) -> None:
    shown = np.zeros((SIZE, SIZE), bool)
    shown[5, 5 : 5 + count] = True
    vertices, faces = triangulate_relief(*plate(shown))
    assert faces.shape == (0, 3)
    assert len(vertices) == 0


def test_the_distance_is_a_spheres() -> None:
    distance = MeshDistance(*triangulate_relief(*sphere()))
    points = np.random.default_rng(0).uniform(-0.6, 0.6, (500, 3))
    found = distance(points)
    assert found.dtype == np.float32
    # A pixel wide near the outline, where columns are short and end between pixels.
    np.testing.assert_allclose(found, np.linalg.norm(points, axis=1) - RADIUS, atol=1.5 / SIZE)


def test_parts_that_touch_at_a_corner_are_both_inside() -> None:
    shown = np.zeros((SIZE, SIZE), bool)
    shown[10:15, 10:15] = shown[14:20, 14:20] = True
    distance = MeshDistance(*triangulate_relief(*plate(shown)))
    x, y = pixels()
    inside = np.array([[x[12, 12], y[12, 12], 0], [x[17, 17], y[17, 17], 0], [x[12, 17], y[12, 17], 0]])
    assert (distance(inside) < 0).tolist() == [True, True, False]
