"""The smooth change of colour that makes one painting of a surface agree with another seen only in part."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32

from backend.geometry.normalised_convolution import gaussian_average

REACH = 0.12
"""Standard deviation of the Gaussian that carries a difference along, in sides of the object."""
SAMPLES = 1500
LIMIT = 0.3
"""Largest offset of a channel, sRGB."""


def low_frequency_offset(
    points: Float32[np.ndarray, "point 3"],
    seen: Float32[np.ndarray, "sample 3"],
    difference: Float32[np.ndarray, "sample 3"],
    weight: Float32[np.ndarray, " sample"],
) -> Float32[np.ndarray, "point 3"]:
    """What to add at `points`, given the difference wanted - present at the `seen` points.

    A Gaussian average of the differences near a point; where nothing near was seen, the median difference.
    """
    if not len(seen):
        return np.zeros_like(points)
    chosen = np.linspace(0, len(seen) - 1, min(SAMPLES, len(seen))).astype(int)
    seen, difference, weight = seen[chosen], difference[chosen], weight[chosen]
    overall = np.median(difference, axis=0)
    # One sample's worth of the overall difference decides only where no sample is near.
    offset = gaussian_average(points, seen, difference, weight, REACH, overall, otherwise_weight=1.0)
    return np.clip(offset, -LIMIT, LIMIT)
