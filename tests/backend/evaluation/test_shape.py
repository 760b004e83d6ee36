"""Occupancy and sampling of soups that are not watertight."""

from __future__ import annotations

import numpy as np
import pytest

from backend.evaluation.shape import MARGIN, RESOLUTION, sample_surface, shape_in_unit_box
from tests.backend.evaluation.meshes import ball, box, chair


def occupied_share(triangles: np.ndarray) -> float:
    return float(shape_in_unit_box(triangles, 20_000).occupancy.sum() / RESOLUTION**3)


def test_the_unit_box_is_reached_and_centred() -> None:
    shape = shape_in_unit_box(chair() * 7 + 3, 2_000)
    corners = shape.triangles.reshape(-1, 3)
    low, high = corners.min(0), corners.max(0)
    np.testing.assert_allclose((high - low).max(), 1, atol=1e-5)
    np.testing.assert_allclose(low + high, 0, atol=1e-5)


def test_solids_have_their_volume() -> None:
    assert occupied_share(ball()) == pytest.approx(np.pi / 6, rel=0.02)
    assert occupied_share(box(1, 0.5, 0.25)) == pytest.approx(0.125, rel=0.02)


def test_open_and_inside_out_soups_are_solid() -> None:
    closed = box(1, 1, 1)
    assert occupied_share(closed[:, ::-1]) == pytest.approx(1, rel=0.02)
    without_a_triangle = closed[1:]
    assert occupied_share(without_a_triangle) > 0.85


def test_overlapping_parts_count_once() -> None:
    both = np.concatenate([box(1, 1, 1), box(0.5, 0.5, 0.5)])
    assert occupied_share(both) == pytest.approx(1, rel=0.02)


def test_a_sheet_keeps_a_body_of_one_or_two_voxels() -> None:
    sheet = np.array([[[0, 0, 0], [1, 0, 0], [1, 1, 0]], [[0, 0, 0], [1, 1, 0], [0, 1, 0]]], np.float32)
    occupancy = shape_in_unit_box(sheet, 50_000).occupancy
    inner = occupancy[MARGIN:-MARGIN, MARGIN:-MARGIN]
    assert inner.any(axis=2).mean() > 0.99
    assert inner.sum(axis=2).max() <= 2


def test_points_are_uniform_by_area_and_normals_point_outwards() -> None:
    triangles = box(1, 2, 4)
    points, normals = sample_surface(triangles, 10_000, np.random.default_rng(1))
    np.testing.assert_allclose(np.abs(points / [0.5, 1, 2]).max(axis=1), 1, atol=1e-5)
    on_x = np.abs(normals[:, 0]) > 0.5
    assert on_x.mean() == pytest.approx(2 * 8 / (2 * (2 + 4 + 8)), abs=0.01)
    assert ((points * normals).sum(1) > 0).all()


@pytest.mark.parametrize("triangles", [np.zeros((0, 3, 3)), np.zeros((2, 3, 3)), np.full((1, 3, 3), np.nan)])
def test_nothing_to_measure(triangles: np.ndarray) -> None:
    with pytest.raises(ValueError, match="triangles"):
        shape_in_unit_box(triangles.astype(np.float32))
