"""Scores whose right values are known."""

from __future__ import annotations

import numpy as np
import pytest

from backend.evaluation.metrics import compare, mask_iou, score
from backend.evaluation.nearest import NearestPoints
from backend.evaluation.shape import Shape, shape_in_unit_box
from tests.backend.evaluation.meshes import ball, box, chair

POINTS = 8_000


def shifted(shape: Shape, offset: tuple[float, float, float]) -> Shape:
    return shape.transformed(np.eye(3), np.asarray(offset))


def test_a_shape_equals_itself() -> None:
    shape = shape_in_unit_box(chair(), POINTS)
    scores = score(shape, shape)
    assert (scores.f05, scores.f02, scores.f01, scores.iou) == (1, 1, 1, 1)
    assert scores.chamfer == 0
    assert scores.normal_consistency == pytest.approx(1)


def test_a_shifted_slab_has_the_distances_of_the_shift() -> None:
    slab = shape_in_unit_box(box(1, 1, 0.2), POINTS)
    scores = score(shifted(slab, (0, 0, 0.03)), slab)
    assert scores.f05 == pytest.approx(1)
    assert scores.f02 < 0.35  # the two faces lie 0.03 apart; only the narrow sides still touch
    assert scores.iou == pytest.approx((0.2 - 0.03) / (0.2 + 0.03), abs=0.05)
    assert 0.02 < scores.chamfer < 0.03


def test_alignment_undoes_turn_scale_and_offset() -> None:
    truth = shape_in_unit_box(chair(), POINTS)
    turn = np.array([[0, 0, 1], [0, 1, 0], [-1, 0, 0]], float) @ _small_rotation(0.15)
    moved = truth.transformed(0.8 * turn, np.array([0.05, -0.03, 0.02]))
    result = compare(moved, truth)
    assert result.fixed.f05 < 0.7
    assert result.aligned.f02 > 0.99
    assert result.aligned.iou > 0.95


def test_alignment_is_never_worse() -> None:
    one, other = shape_in_unit_box(ball(), POINTS), shape_in_unit_box(chair(), POINTS)
    result = compare(one, other)
    assert result.aligned.chamfer <= result.fixed.chamfer


def test_what_leaves_the_box_still_counts() -> None:
    slab = shape_in_unit_box(box(1, 1, 1), POINTS)
    assert score(shifted(slab, (0.05, 0, 0)), slab).iou == pytest.approx(0.95 / 1.05, abs=0.01)


def test_nearest_points_are_exact_near_and_fair_far() -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform(-0.5, 0.5, (20_000, 3)) * [1, 1, 0]
    near = points[:500] + np.array([0, 0, 0.01])
    distance, index = NearestPoints(points).query(near)
    np.testing.assert_allclose(np.linalg.norm(points[index] - near, axis=1), distance)
    assert distance.max() <= 0.01 + 1e-9
    far, _ = NearestPoints(points).query(points[:500] + np.array([0, 0, 0.4]))
    assert far.mean() == pytest.approx(0.4, rel=0.02)


def test_mask_iou() -> None:
    assert mask_iou(np.array([True, True, False]), np.array([True, False, False])) == 0.5
    assert mask_iou(np.zeros(3, bool), np.zeros(3, bool)) == 1


def _small_rotation(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
