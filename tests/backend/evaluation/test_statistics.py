"""Paired bootstrap intervals."""

from __future__ import annotations

import numpy as np
import pytest

from backend.evaluation.statistics import mean_interval, paired_interval


def test_pairing_removes_what_objects_have_in_common() -> None:
    rng = np.random.default_rng(0)
    difficulty = rng.normal(0, 1, 60)
    better = paired_interval(difficulty + 0.1 + rng.normal(0, 0.05, 60), difficulty)
    assert better.low < 0.1 < better.high
    assert better.clear_of_zero
    # sigma / sqrt(n) = 0.0065, and 1.96 of it to each side.
    assert better.high - better.low == pytest.approx(4 * 0.0065, rel=0.35)


def test_equal_methods_are_not_told_apart() -> None:
    rng = np.random.default_rng(1)
    assert not paired_interval(rng.normal(0, 1, 60), rng.normal(0, 1, 60)).clear_of_zero


def test_objects_without_a_value_are_left_out() -> None:
    assert paired_interval(np.array([1.0, np.nan, 3.0]), np.array([0.0, 5.0, 2.0])).mean == 1
    assert mean_interval(np.array([1.0, np.nan, 3.0])).mean == 2
    with pytest.raises(ValueError, match="no object"):
        paired_interval(np.array([np.nan]), np.array([1.0]))
