from __future__ import annotations

import numpy as np

from backend.geometry.colour_harmony import low_frequency_offset

GENERATOR = np.random.default_rng(0)


def test_near_points_take_the_local_difference_and_far_points_the_median() -> None:
    seen = GENERATOR.uniform(-0.3, 0.3, (2000, 3)).astype(np.float32)
    difference = np.where(seen[:, :1] > 0, 0.2, -0.1).astype(np.float32).repeat(3, axis=1)
    difference[:1200] = 0.1
    points = np.array([[0.25, 0, 0], [-0.25, 0, 0], [0, 9, 0]], np.float32)
    offset = low_frequency_offset(points, seen, difference, np.ones(len(seen), np.float32))
    assert offset[0, 0] > 0.11
    assert offset[1, 0] < 0.09
    assert np.allclose(offset[2], 0.1, atol=0.01)


def test_an_outlier_does_not_leave_a_mark() -> None:
    seen = GENERATOR.uniform(-0.3, 0.3, (1500, 3)).astype(np.float32)
    difference = np.full((1500, 3), 0.05, np.float32)
    difference[7] = 1
    offset = low_frequency_offset(seen[[7]], seen, difference, np.ones(1500, np.float32))
    assert np.abs(offset - 0.05).max() < 0.03


def test_nothing_seen_changes_nothing() -> None:
    points = np.ones((4, 3), np.float32)
    empty = np.zeros((0, 3), np.float32)
    assert not low_frequency_offset(points, empty, empty, np.zeros(0, np.float32)).any()
