"""From measurements to a page with tables, files for machines, and sheets for eyes."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from backend.evaluation import tables
from backend.evaluation.best_of import gains, variant_count
from backend.evaluation.contact_sheet import stack_rows
from backend.evaluation.measurements import Measurements
from backend.evaluation.targets import judge

EXAMPLES_EACH = 3
"""Good, middling and bad rows of examples.png."""


@dataclass(frozen=True)
class Report:
    """What the evaluation of a folder of objects found."""

    title: str
    measured: Measurements
    notes: tuple[str, ...] = ()
    """On how it was measured, and what is left out and why."""

    def markdown(self) -> str:
        """All tables."""
        measured, has_truth = self.measured, self.measured.has_truth
        sections: list[tuple[str, str]] = []
        if measured.has_system:
            sections.append(("Bars and goals", f"{tables.target_table(measured)}\n\n{_FOOTNOTE}"))
        if measured.has_system and has_truth:
            sections.append(("Each half alone", tables.halves_table(measured)))
        if has_truth:
            sections.append(("Fixed frame", tables.geometry_table(measured, "fixed")))
            sections.append(("After alignment", tables.geometry_table(measured, "aligned")))
        if measured.has_system and has_truth:
            sections.append(("Differences, mean [95 %]", tables.comparison_table(measured)))
        if measured.has_system:
            sections.append(("What is not geometry", tables.other_numbers(measured)))
        if measured.variants:
            sections.append((f"Best of {variant_count(measured)}", tables.best_of_table(measured)))
        if measured.has_system:
            sections.append((f"Worst {tables.WORST_SHOWN} (worst.png)", tables.worst_table(measured)))
        if measured.errors:
            listing = "\n".join(f"- {where}: {error}" for where, error in measured.errors.items())
            sections.append(("Failures (counted with the worst scores)", listing))
        parts = [f"# {self.title}", "\n".join(f"- {note}" for note in self._notes())]
        return "\n\n".join([*parts, *(f"## {title}\n\n{text}" for title, text in sections)]) + "\n"

    def to_json(self) -> dict[str, Any]:
        """Means, intervals, verdicts; NaN (no object has the value) becomes null."""
        measured = self.measured
        return {
            "title": self.title,
            "notes": self._notes(),
            "objects": len(measured.names),
            "seeds": measured.seeds,
            "means": {
                method: {metric: mean_or_none(values) for metric, values in metrics.items()}
                for method, metrics in measured.methods.items()
            },
            "seed_spread": {metric: measured.seed_spread(metric) for metric in measured.by_seed},
            "targets": [asdict(row) for row in judge(measured)] if measured.has_system else [],
            "differences": [
                {"system": one, "baseline": other, "metric": metric, **asdict(interval)}
                for one, other, metric, interval in tables.comparisons(measured)
            ],
            "best_of": {
                "variants": variant_count(measured),
                "gains": [
                    {"criterion": gain.criterion, "metric": gain.metric, **asdict(gain.interval)}
                    for gain in gains(measured)
                ],
            },
            "errors": measured.errors,
        }

    def write(self, out: Path) -> None:
        """report.md, report.json, objects.csv, seeds.csv, contact_sheet.png, worst.png, examples.png."""
        out.mkdir(parents=True, exist_ok=True)
        (out / "report.md").write_text(self.markdown(), encoding="utf-8")
        (out / "report.json").write_text(json.dumps(self.to_json(), indent=1) + "\n", encoding="utf-8")
        self._write_objects(out / "objects.csv")
        names = self.measured.names
        self._write_sheet(range(len(names)), out / "contact_sheet.png")
        if self.measured.has_system:
            self._write_seeds(out / "seeds.csv")
            order = self.measured.worst_to_best()
            self._write_sheet(order[: tables.WORST_SHOWN], out / "worst.png")
            self._write_sheet(examples(order), out / "examples.png")

    def _notes(self) -> list[str]:
        measured = self.measured
        count = len(measured.names)
        notes = [f"{count} object{'s' if count != 1 else ''}."]
        if measured.has_system:
            seeds = ", ".join(str(seed) for seed in measured.seeds)
            notes.append(
                f"Seeds {seeds}: each object's mean over them counts once; intervals are 95 % of a paired "
                "bootstrap over objects."
            )
        return [*notes, *self.notes]

    def _write_objects(self, path: Path) -> None:
        """One line an object, seeds averaged, every method."""
        methods = self.measured.methods
        columns = [(method, metric) for method, metrics in methods.items() for metric in metrics]
        write_csv(
            path,
            ["object", *(f"{method}/{metric}" for method, metric in columns)],
            (
                [name, *(f"{methods[method][metric][index]:.5g}" for method, metric in columns)]
                for index, name in enumerate(self.measured.names)
            ),
        )

    def _write_seeds(self, path: Path) -> None:
        """One line an object and seed, the single image alone."""
        by_seed = self.measured.by_seed
        write_csv(
            path,
            ["object", "seed", *by_seed],
            (
                [name, str(seed), *(f"{values[index, place]:.5g}" for values in by_seed.values())]
                for index, name in enumerate(self.measured.names)
                for place, seed in enumerate(self.measured.seeds)
            ),
        )

    def _write_sheet(self, objects: Iterable[int], path: Path) -> None:
        names = (self.measured.names[index] for index in objects)
        stack_rows([self.measured.rows[name] for name in names if name in self.measured.rows], path)


_FOOTNOTE = (
    "(*) Bar and goal are meant for the sealed set (the silhouette has .71, .44 and .53 there); the figures "
    "are of the objects at hand."
)


def examples(order: Sequence[int]) -> list[int]:
    """From worst-to-best `order`: the best few, the middling and the worst, in this sequence, none twice."""
    best, middle = list(reversed(order))[:EXAMPLES_EACH], max(0, (len(order) - EXAMPLES_EACH) // 2)
    picked = [*best, *order[middle : middle + EXAMPLES_EACH], *reversed(order[:EXAMPLES_EACH])]
    return list(dict.fromkeys(picked))


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)


def mean_or_none(values: Float[np.ndarray, " object"]) -> float | None:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else None
