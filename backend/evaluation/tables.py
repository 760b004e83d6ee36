"""The report's tables, as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from backend.evaluation.best_of import compared_metrics, gains, variant_count
from backend.evaluation.evaluate import FROM_TRUE_VIEWS
from backend.evaluation.measurements import FROM_TRUTH, SINGLE, Measurements, finite_mean
from backend.evaluation.statistics import Interval, mean_interval, paired_interval
from backend.evaluation.targets import judge

GEOMETRY = ("f05", "f02", "f01", "chamfer", "iou", "normal_consistency")
_GEOMETRY_HEADINGS = ("F@0.05", "F@0.02", "F@0.01", "Chamfer", "IoU", "Normals")
_COMPARED = ("f05", "f02", "iou")
_LESS_IS_BETTER = (
    "normal_degrees",
    "components",
    "elevation_error",
    "seconds",
    "cpu_seconds",
    "peak_memory_mb",
)
WORST_SHOWN = 10


def target_table(measured: Measurements) -> str:
    """Bars and goals against what was measured."""
    return table(
        ("", "bar", "goal", "measured [95 %]", "sd over seeds", ""),
        [
            (row.what, row.bar, row.goal, row.measured, row.spread, f"**{row.verdict}**")
            for row in judge(measured)
        ],
    )


def geometry_table(measured: Measurements, frame: str) -> str:
    """Every method's geometry; `frame` is 'fixed' or 'aligned'."""
    rows = []
    for method, metrics in measured.methods.items():
        means = [f"{np.nanmean(metrics[f'{frame}/{metric}']):.3f}" for metric in GEOMETRY]
        rows.append((f"**{method}**" if method in (SINGLE, FROM_TRUTH) else method, *means))
    return table(("", *_GEOMETRY_HEADINGS), rows, numbers=True)


def comparisons(measured: Measurements) -> list[tuple[str, str, str, Interval]]:
    """System, baseline, metric and their difference: each system against baselines that know as much."""
    found = []
    for baseline in measured.methods:
        if baseline in (SINGLE, FROM_TRUTH):
            continue
        system = FROM_TRUTH if baseline in FROM_TRUE_VIEWS else SINGLE
        if system in measured.methods:
            for metric in (f"{frame}/{name}" for frame in ("fixed", "aligned") for name in _COMPARED):
                pair = (measured.column(method, metric) for method in (system, baseline))
                found.append((system, baseline, metric, paired_interval(*pair)))
    return found


def comparison_table(measured: Measurements) -> str:
    return table(
        ("system", "baseline", "metric", "difference", "verdict"),
        [
            (one, other, metric, signed(interval), _verdict(interval))
            for one, other, metric, interval in comparisons(measured)
        ],
    )


def halves_table(measured: Measurements) -> str:
    """Each half on true input beside the whole: where the quality is lost."""
    rows = [
        ("generated views against the truth", SINGLE, "views/psnr", "PSNR, dB"),
        ("generated views against the truth", SINGLE, "views/ssim", "SSIM"),
        ("generated views against the truth", SINGLE, "views/mask_iou", "mask IoU"),
        ("generated normals, where both masks are", SINGLE, "views/normal_degrees", "degrees"),
        ("normals from true colour views", FROM_TRUTH, "views/normal_degrees", "degrees"),
        ("mesh from true views and normals", FROM_TRUTH, "fixed/f05", "F@0.05, fixed"),
        ("mesh from one image", SINGLE, "fixed/f05", "F@0.05, fixed"),
        ("mesh from true views and normals", FROM_TRUTH, "fixed/f02", "F@0.02, fixed"),
        ("mesh from one image", SINGLE, "fixed/f02", "F@0.02, fixed"),
    ]
    return table(
        ("what", "metric", "mean [95 %]"),
        [
            (what, unit, _plain(mean_interval(measured.column(method, metric))))
            for what, method, metric, unit in rows
            if measured.has(method, metric)
        ],
    )


def other_numbers(measured: Measurements) -> str:
    """Of the single image, all that is not geometry."""
    rows = []
    for metric, values in measured.methods[SINGLE].items():
        finite = values[np.isfinite(values)]
        if metric.split("/")[0] in ("fixed", "aligned") or not len(finite):
            continue
        tail = np.percentile(finite, 90 if _less_is_better(metric) else 10)
        spread = measured.seed_spread(metric)
        shown = (f"{value:.3g}" for value in (finite.mean(), np.median(finite), tail))
        rows.append((metric, *shown, "-" if spread is None else f"{spread:.2g}"))
    return table(("metric", "mean", "median", "worst tenth", "sd over seeds"), rows, numbers=True)


def best_of_table(measured: Measurements) -> str:
    """Gain of the best of N over one, by how it is chosen."""
    by_criterion: dict[str, list[str]] = {}
    for gain in gains(measured):
        by_criterion.setdefault(gain.criterion, []).append(signed(gain.interval))
    metrics = compared_metrics(measured)
    ones = [f"{np.nanmean(finite_mean(measured.variants[metric])):.3f}" for metric in metrics]
    rows = [("N = 1, mean", *ones)]
    rows += [(f"+ best of {variant_count(measured)} by {name}", *row) for name, row in by_criterion.items()]
    return table(("chosen by", *metrics), rows)


def worst_table(measured: Measurements) -> str:
    """The objects that the single image does worst on."""
    columns = {
        "aligned F@0.05": (SINGLE, "aligned/f05"),
        "aligned IoU": (SINGLE, "aligned/iou"),
        "fixed F@0.05": (SINGLE, "fixed/f05"),
        "views' mask IoU": (SINGLE, "views/mask_iou"),
        "from true views": (FROM_TRUTH, "fixed/f05"),
        "re-rendered mask IoU": (SINGLE, "asset/fidelity_mask_iou"),
        "re-rendered PSNR": (SINGLE, "asset/fidelity_psnr"),
    }
    shown = {heading: measured.column(*at) for heading, at in columns.items() if measured.has(*at)}
    rows = [
        (measured.names[index], *(f"{values[index]:.3f}" for values in shown.values()))
        for index in measured.worst_to_best()[:WORST_SHOWN]
    ]
    return table(("object", *shown), rows, numbers=True)


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: bool = False) -> str:
    """A Markdown table; with `numbers` all but the first column stand on the right."""
    rule = ["---", *(["---:" if numbers else "---"] * (len(headings) - 1))]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (headings, rule, *rows))


def signed(interval: Interval) -> str:
    return f"{interval.mean:+.3f} [{interval.low:+.3f}, {interval.high:+.3f}]"


def _plain(interval: Interval) -> str:
    return f"{interval.mean:.3f} [{interval.low:.3f}, {interval.high:.3f}]"


def _verdict(interval: Interval) -> str:
    """Of the compared metrics, more is better."""
    if not interval.clear_of_zero:
        return "undecided"
    return "better" if interval.mean > 0 else "worse"


def _less_is_better(metric: str) -> bool:
    return metric.startswith("materials/") or metric.split("/")[1] in _LESS_IS_BETTER
