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


def paired_interval(system: Float[np.ndarray, " object"], baseline: Float[np.ndarray, " object"]) -> Interval:
    """Of system minus baseline over the same objects, objects resampled with replacement.

    Objects for which either has no value (NaN) are left out. Raises ValueError where none is left.
    """
    difference = system - baseline
    difference = difference[np.isfinite(difference)]
    if not len(difference):
        raise ValueError("no object has both values")
    picks = np.random.default_rng(0).integers(0, len(difference), (RESAMPLES, len(difference)))
    means = difference[picks].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return Interval(float(difference.mean()), float(low), float(high))
