"""Values known at some points, carried smoothly to others (Knutsson and Westin, 1993)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32


def gaussian_average(
    points: Float32[np.ndarray, "point axis"],
    samples: Float32[np.ndarray, "sample axis"],
    values: Float32[np.ndarray, "sample channel"],
    certainty: Float32[np.ndarray, " sample"],
    reach: float,
    otherwise: Float32[np.ndarray, " channel"],
    otherwise_weight: float,
) -> Float32[np.ndarray, "point channel"]:
    """The samples' average around each point, by a Gaussian of standard deviation `reach` and by `certainty`.

    `otherwise` joins in everywhere with `otherwise_weight`, of which a sample right at the point has its
    `certainty`: it decides where nothing is near.
    """
    squared = (points**2).sum(1)[:, None] + (samples**2).sum(1)[None] - 2 * points @ samples.T
    kernel = np.exp(-np.maximum(squared, 0) / (2 * reach**2)) * certainty
    total = kernel @ values + otherwise * otherwise_weight
    return (total / (kernel.sum(axis=1, keepdims=True) + otherwise_weight)).astype(np.float32)
