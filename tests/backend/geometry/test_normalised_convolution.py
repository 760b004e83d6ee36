from __future__ import annotations

import numpy as np

from backend.geometry.normalised_convolution import gaussian_average

POINTS = np.array([[0.0, 0.0], [1.0, 0.0], [50.0, 0.0]], np.float32)
SAMPLES = np.array([[0.0, 0.0], [1.0, 0.0]], np.float32)
VALUES = np.array([[2.0], [4.0]], np.float32)


def average(certainty: list[float], reach: float) -> list[float]:
    found = gaussian_average(
        POINTS, SAMPLES, VALUES, np.array(certainty, np.float32), reach, np.array([9.0], np.float32), 1e-6
    )
    return [float(value) for value in found[:, 0]]


def test_near_samples_decide_and_far_away_the_other_value() -> None:
    np.testing.assert_allclose(average([1, 1], 0.1), [2, 4, 9], atol=1e-3)


def test_it_is_the_certain_samples_that_are_averaged() -> None:
    near = np.exp(-0.5)
    np.testing.assert_allclose(average([1, 1], 1.0)[0], (2 + 4 * near) / (1 + near), atol=1e-3)
    np.testing.assert_allclose(average([0, 1], 1.0)[0], 4, atol=1e-3)
