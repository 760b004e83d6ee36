"""Per-object results gathered into columns, seeds averaged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from backend.evaluation.results import ObjectResults, Outcome

SINGLE, FROM_TRUTH = "single image", "reconstruction from true views"
_GROUPS = ("fixed", "aligned", "views", "novel", "materials", "asset", "variant")


@dataclass(frozen=True)
class Measurements:
    """Everything that was measured, one entry an object."""

    names: tuple[str, ...]
    methods: dict[str, dict[str, Float[np.ndarray, " object"]]]
    """Method to metric to values; the single image's are means over the seeds."""
    by_seed: dict[str, Float[np.ndarray, "object seed"]]
    """The single image's, by metric."""
    seeds: tuple[int, ...]
    variants: dict[str, Float[np.ndarray, "object variant"]]
    """Of the seeds that best of N chooses among, by metric; empty where N is 1."""
    errors: dict[str, str]
    """'object, method' to what went wrong."""
    rows: dict[str, Path]
    """Contact sheet row of each object that has one."""

    @property
    def has_system(self) -> bool:
        return SINGLE in self.methods

    def column(self, method: str, metric: str) -> Float[np.ndarray, " object"]:
        return self.methods[method][metric]

    def has(self, method: str, metric: str) -> bool:
        return bool(np.isfinite(self.methods.get(method, {}).get(metric, np.array([np.nan]))).any())

    def seed_spread(self, metric: str) -> float | None:
        """Standard deviation over the seeds of the mean over objects; None for one seed."""
        if len(self.seeds) < 2 or metric not in self.by_seed:
            return None
        values = self.by_seed[metric]
        complete = values[np.isfinite(values).all(axis=1)]
        return float(complete.mean(axis=0).std(ddof=1)) if len(complete) else None

    @property
    def has_truth(self) -> bool:
        """Whether the objects' true shapes were known."""
        return any("fixed/f05" in metrics for metrics in self.methods.values())

    @property
    def ranking_metric(self) -> str:
        """Of the single image, what objects are ranked by."""
        return "aligned/f05" if self.has_truth else "variant/score"

    def worst_to_best(self) -> list[int]:
        """Objects by the single image's `ranking_metric`."""
        return [int(index) for index in np.argsort(self.column(SINGLE, self.ranking_metric), kind="stable")]


def gather(
    results: Sequence[ObjectResults], seeds: tuple[int, ...], variant_seeds: tuple[int, ...] = ()
) -> Measurements:
    """Columns of all objects. `seeds` and `variant_seeds` are among those that the results have."""
    outcomes: dict[str, list[list[Outcome]]] = {
        name: [[result.baselines[name]] for result in results] for name in results[0].baselines
    }
    by_seed, variants = {}, {}
    if results[0].single:
        outcomes[SINGLE] = [[result.single[seed] for seed in seeds] for result in results]
        by_seed = _columns(outcomes[SINGLE])
        if variant_seeds:
            variants = _columns([[result.single[seed] for seed in variant_seeds] for result in results])
    if results[0].from_truth is not None:
        outcomes[FROM_TRUTH] = [[result.from_truth] for result in results if result.from_truth]
    methods = {
        method: {metric: finite_mean(values) for metric, values in _columns(by_object).items()}
        for method, by_object in outcomes.items()
    }
    errors = {
        f"{result.name}, {method}": outcome.error
        for method, by_object in outcomes.items()
        for result, own in zip(results, by_object, strict=True)
        for outcome in own
        if outcome.error
    }
    rows = {result.name: result.row for result in results if result.row is not None}
    names = tuple(result.name for result in results)
    return Measurements(names, methods, by_seed, seeds, variants, errors, rows)


def _columns(by_object: Sequence[Sequence[Outcome]]) -> dict[str, Float[np.ndarray, "object run"]]:
    """By metric, NaN where a run lacks it."""
    metrics = sorted(
        {metric for runs in by_object for run in runs for metric in run.numbers},
        key=lambda metric: (_GROUPS.index(metric.split("/")[0]), metric),
    )
    return {
        metric: np.array([[run.numbers.get(metric, np.nan) for run in runs] for runs in by_object])
        for metric in metrics
    }


def finite_mean(values: Float[np.ndarray, "object run"]) -> Float[np.ndarray, " object"]:
    """Over the runs that have a value; NaN where none has."""
    finite = np.isfinite(values)
    total = np.where(finite, values, 0.0).sum(axis=1)
    return np.where(finite.any(axis=1), total / finite.sum(axis=1).clip(1), np.nan)
