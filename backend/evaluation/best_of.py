"""What choosing the best of N assets is worth, measured on objects whose truth is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from backend.evaluation.measurements import Measurements, finite_mean
from backend.evaluation.statistics import Interval, paired_interval

CRITERIA = {
    "score (what --variants uses)": "variant/score",
    "silhouette alone": "variant/silhouette",
    "likeness alone": "variant/likeness",
    "agreement alone": "variant/agreement",
    "colour alone": "variant/colour",
}
"""Ways to choose that need no truth, by the metric that they take the greatest of."""
METRICS = (
    "aligned/f05",
    "aligned/f02",
    "aligned/iou",
    "fixed/f05",
    "novel/psnr",
    "asset/fidelity_psnr",
    "asset/fidelity_mask_iou",
)
CEILING = "the truth (ceiling)"


@dataclass(frozen=True)
class Gain:
    """The chosen variant's metric minus what one variant has on average."""

    criterion: str
    metric: str
    interval: Interval


def variant_count(measured: Measurements) -> int:
    """N; 0 where best of N was not measured."""
    return next((values.shape[1] for values in measured.variants.values()), 0)


def gains(measured: Measurements) -> list[Gain]:
    """Best of N against N = 1 for each criterion and metric, objects resampled.

    N = 1 stands for the mean of the N variants: what a single one would have had on average over seeds. The
    ceiling takes each object's best by the metric itself.
    """
    metrics = compared_metrics(measured)
    found = []
    for criterion, by in CRITERIA.items():
        if by in measured.variants:
            chosen = choose(measured.variants[by])
            found += [_gain(criterion, metric, measured, chosen) for metric in metrics]
    ceiling = {metric: choose(measured.variants[metric]) for metric in metrics}
    return found + [_gain(CEILING, metric, measured, chosen) for metric, chosen in ceiling.items()]


def compared_metrics(measured: Measurements) -> list[str]:
    """Those of METRICS that were measured."""
    return [metric for metric in METRICS if np.isfinite(measured.variants.get(metric, np.nan)).any()]


def choose(values: Float[np.ndarray, "object variant"]) -> np.ndarray:
    """Index of each object's greatest value; variants without one are passed over, 0 where none has one."""
    return np.where(np.isfinite(values), values, -np.inf).argmax(axis=1)


def _gain(criterion: str, metric: str, measured: Measurements, chosen: np.ndarray) -> Gain:
    values = measured.variants[metric]
    picked = values[np.arange(len(values)), chosen]
    return Gain(criterion, metric, paired_interval(picked, finite_mean(values)))
