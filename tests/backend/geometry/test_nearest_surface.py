from __future__ import annotations

import numpy as np
import pytest
import trimesh

from backend.geometry.nearest_surface import interpolate_nearest


def test_a_points_value_is_that_of_the_place_below_it() -> None:
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], dtype=np.float32)
    faces = np.array([[0, 1, 2]], dtype=np.int32)
    values = np.array([[0, 0], [1, 0], [0, 1]], dtype=np.float32)
    points = np.array([[0.25, 0.5, 0.3], [0.5, 0.1, -2.0], [-1, -1, 0], [2, -1, 0]], dtype=np.float32)
    found = interpolate_nearest(points, vertices, faces, values)
    assert found == pytest.approx(np.array([[0.25, 0.5], [0.5, 0.1], [0, 0], [1, 0]]), abs=1e-6)
    assert found.dtype == np.float32


def test_normals_of_a_ball_point_at_the_points_around_it() -> None:
    ball = trimesh.creation.icosphere(4, 0.4)
    directions = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    vertices = ball.vertices.astype(np.float32)
    found = interpolate_nearest(directions * 0.5, vertices, ball.faces.astype(np.int32), vertices / 0.4)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    assert (found * directions).sum(1).min() > np.cos(np.radians(2))
