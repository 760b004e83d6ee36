"""Means over objects and how sure they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

RESAMPLES = 10_000


@dataclass(frozen=True)
class Interval:
    """A mean with its 95 per cent bootstrap interval (percentile method)."""

    mean: float
    low: float
    high: float

    @property
    def clear_of_zero(self) -> bool:
        return self.low > 0 or self.high < 0


def mean_interval(values: Float[np.ndarray, " object"]) -> Interval:
    """Of the mean, objects resampled with replacement; NaN are left out. Raises ValueError for none."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        raise ValueError("no object has a value")
    picks = np.random.default_rng(0).integers(0, len(finite), (RESAMPLES, len(finite)))
    low, high = np.percentile(finite[picks].mean(axis=1), [2.5, 97.5])
    return Interval(float(finite.mean()), float(low), float(high))


def paired_interval(system: Float[np.ndarray, " object"], baseline: Float[np.ndarray, " object"]) -> Interval:
    """Of system minus baseline over the same objects, objects resampled with replacement.

    Objects for which either has no value (NaN) are left out. Raises ValueError where none is left.
    """
    return mean_interval(system - baseline)
