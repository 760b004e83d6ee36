"""From results to a table with intervals, files for machines, and sheets for eyes."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from backend.evaluation.contact_sheet import stack_rows
from backend.evaluation.evaluate import ObjectResults
from backend.evaluation.results import Outcome
from backend.evaluation.statistics import Interval, paired_interval

SINGLE, FROM_TRUTH = "single image", "reconstruction from true views"
GEOMETRY = ("f05", "f02", "f01", "chamfer", "iou", "normal_consistency")
_HEADINGS = ("F@0.05", "F@0.02", "F@0.01", "Chamfer", "IoU", "Normals")
_COMPARED = ("f05", "f02", "iou")
_COMPARED_TO_TRUTH = ("hull", "hull at 256 px", "hull carved by depth")
_WORST_SHOWN = 10


@dataclass(frozen=True)
class Report:
    """Everything the evaluation found, ready to be written."""

    title: str
    names: tuple[str, ...]
    methods: dict[str, dict[str, Float[np.ndarray, " object"]]]
    """Method to metric to one value an object (the mean over seeds)."""
    errors: dict[str, str]
    """'object, method' to what went wrong."""
    rows: dict[str, Path]
    """Contact sheet row of each object that has one."""

    def markdown(self) -> str:
        """The tables, as Markdown."""
        parts = [f"# {self.title}", f"{len(self.names)} objects."]
        for frame, words in (("fixed", "Fixed frame"), ("aligned", "After alignment")):
            parts.append(f"## {words}\n\n{self._geometry_table(frame)}")
        parts += [f"## Differences, mean [95 per cent]\n\n{self._interval_table()}"]
        if SINGLE in self.methods:
            parts.append(f"## Views, materials, asset\n\n{self._other_numbers()}")
            parts.append(f"## Worst {_WORST_SHOWN}\n\n{self._worst_table()}")
        if self.errors:
            listing = "\n".join(f"- {where}: {error}" for where, error in self.errors.items())
            parts.append(f"## Failures (counted with the worst scores)\n\n{listing}")
        return "\n\n".join(parts) + "\n"

    def to_json(self) -> dict[str, Any]:
        """Means and intervals; NaN (no object has the value) becomes null."""
        means = {
            method: {metric: _mean_or_none(values) for metric, values in metrics.items()}
            for method, metrics in self.methods.items()
        }
        return {
            "title": self.title,
            "objects": len(self.names),
            "means": means,
            "differences": [
                {
                    "system": one,
                    "baseline": other,
                    "metric": metric,
                    **asdict(self._interval(one, other, metric)),
                }
                for one, other, metric in self._comparisons()
            ],
            "errors": self.errors,
        }

    def write(self, out: Path) -> None:
        """report.md, report.json, objects.csv, contact_sheet.png, worst.png under `out`."""
        out.mkdir(parents=True, exist_ok=True)
        (out / "report.md").write_text(self.markdown(), encoding="utf-8")
        (out / "report.json").write_text(json.dumps(self.to_json(), indent=1) + "\n", encoding="utf-8")
        columns = [(m, metric) for m, metrics in self.methods.items() for metric in metrics]
        with (out / "objects.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["object", *(f"{method}/{metric}" for method, metric in columns)])
            for index, name in enumerate(self.names):
                values = (self.methods[method][metric][index] for method, metric in columns)
                writer.writerow([name, *(f"{value:.5g}" for value in values)])
        stack_rows([self.rows[name] for name in self.names if name in self.rows], out / "contact_sheet.png")
        stack_rows([self.rows[name] for name in self._worst() if name in self.rows], out / "worst.png")

    def _geometry_table(self, frame: str) -> str:
        lines = [_line("", *_HEADINGS), _line("---", *["---:"] * len(_HEADINGS))]
        for method, metrics in self.methods.items():
            values = [f"{np.nanmean(metrics[f'{frame}/{metric}']):.3f}" for metric in GEOMETRY]
            lines.append(_line(f"**{method}**" if method in (SINGLE, FROM_TRUTH) else method, *values))
        return "\n".join(lines)

    def _interval_table(self) -> str:
        lines = [_line("system", "baseline", "metric", "difference", "verdict"), _line(*["---"] * 5)]
        for one, other, metric in self._comparisons():
            interval = self._interval(one, other, metric)
            shown = f"{interval.mean:+.3f} [{interval.low:+.3f}, {interval.high:+.3f}]"
            lines.append(_line(one, other, metric, shown, _verdict(interval)))
        return "\n".join(lines)

    def _interval(self, one: str, other: str, metric: str) -> Interval:
        return paired_interval(self.methods[one][metric], self.methods[other][metric])

    def _comparisons(self) -> list[tuple[str, str, str]]:
        """Each system against the baselines that know as much as it does."""
        pairs = []
        for method in self.methods:
            if method in (SINGLE, FROM_TRUTH):
                continue
            system = FROM_TRUTH if method in _COMPARED_TO_TRUTH else SINGLE
            if system in self.methods:
                pairs.append((system, method))
        return [
            (system, baseline, f"{frame}/{metric}")
            for system, baseline in pairs
            for frame in ("fixed", "aligned")
            for metric in _COMPARED
        ]

    def _other_numbers(self) -> str:
        lines = [_line("metric", "mean", "median", "worst tenth"), _line("---", *["---:"] * 3)]
        for metric, values in self.methods[SINGLE].items():
            if metric.split("/")[0] in ("fixed", "aligned"):
                continue
            finite = values[np.isfinite(values)]
            if len(finite):
                tail = np.percentile(finite, 90 if _less_is_better(metric) else 10)
                lines.append(_line(metric, *(f"{v:.3g}" for v in (finite.mean(), np.median(finite), tail))))
        return "\n".join(lines)

    def _worst(self) -> list[str]:
        if SINGLE not in self.methods:
            return []
        order = np.argsort(self.methods[SINGLE]["fixed/f05"], kind="stable")
        return [self.names[index] for index in order[:_WORST_SHOWN]]

    def _worst_table(self) -> str:
        lines = [_line("object", "F@0.05", "IoU", "from true views"), _line("---", *["---:"] * 3)]
        for name in self._worst():
            index = self.names.index(name)
            columns = ((SINGLE, "fixed/f05"), (SINGLE, "fixed/iou"), (FROM_TRUTH, "fixed/f05"))
            lines.append(_line(name, *(f"{self.methods[m][metric][index]:.3f}" for m, metric in columns)))
        return "\n".join(lines)


def make_report(results: Sequence[ObjectResults], title: str) -> Report:
    """Collect per-object results into columns, seeds averaged."""
    outcomes: dict[str, list[list[Outcome]]] = {
        name: [[result.baselines[name]] for result in results] for name in results[0].baselines
    }
    if results[0].from_truth is not None:
        outcomes[SINGLE] = [list(result.single) for result in results]
        outcomes[FROM_TRUTH] = [[result.from_truth] for result in results if result.from_truth]
    methods = {}
    for method, by_object in outcomes.items():
        metrics = sorted(
            {metric for seeds in by_object for seed in seeds for metric in seed.numbers}, key=_order
        )
        methods[method] = {
            metric: np.array([_seed_mean(seeds, metric) for seeds in by_object]) for metric in metrics
        }
    errors = {
        f"{result.name}, {method}": outcome.error
        for method, by_object in outcomes.items()
        for result, seeds in zip(results, by_object, strict=True)
        for outcome in seeds
        if outcome.error
    }
    rows = {result.name: result.row for result in results if result.row is not None}
    return Report(title, tuple(result.name for result in results), methods, errors, rows)


def _seed_mean(seeds: Sequence[Outcome], metric: str) -> float:
    values = [seed.numbers.get(metric, float("nan")) for seed in seeds]
    finite = [value for value in values if np.isfinite(value)]
    return float(np.mean(finite)) if finite else float("nan")


def _order(metric: str) -> tuple[int, str]:
    groups = ("fixed", "aligned", "views", "novel", "materials", "asset")
    return groups.index(metric.split("/")[0]), metric


def _verdict(interval: Interval) -> str:
    """Of the compared metrics, more is better."""
    if not interval.clear_of_zero:
        return "undecided"
    return "better" if interval.mean > 0 else "worse"


def _less_is_better(metric: str) -> bool:
    return metric.startswith("materials/") or metric.split("/")[1] in (
        "normal_degrees",
        "components",
        "elevation_error",
        "seconds",
        "peak_memory_mb",
    )


def _mean_or_none(values: Float[np.ndarray, " object"]) -> float | None:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else None


def _line(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"
