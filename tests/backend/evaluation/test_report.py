"""The page made of results that were never measured."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from backend.evaluation.measurements import FROM_TRUTH, SINGLE, Measurements, gather
from backend.evaluation.report import Report, examples
from tests.backend.evaluation.made_up import outcome, results


@pytest.fixture
def measured() -> Measurements:
    """Twenty objects, two seeds; the fourth failed with both."""
    singles = [[outcome(0.6 + 0.01 * i), outcome(0.62 + 0.01 * i)] for i in range(20)]
    singles[3] = [outcome(0.0, "no surface")] * 2
    return gather(results(singles, inflated_silhouette=0.5, hull=0.8), (0, 1))


def test_systems_are_paired_with_their_baselines(measured: Measurements) -> None:
    report = Report("made up", measured)
    differences = {(d["system"], d["baseline"], d["metric"]): d for d in report.to_json()["differences"]}
    against_silhouette = differences[SINGLE, "inflated silhouette", "fixed/f05"]
    wanted = (
        sum(0.61 + 0.01 * i for i in range(20) if i != 3) / 20 - sum(0.5 + 0.001 * i for i in range(20)) / 20
    )
    assert against_silhouette["mean"] == pytest.approx(wanted)
    assert differences[FROM_TRUTH, "hull", "fixed/f05"]["low"] > 0
    assert (SINGLE, "hull", "fixed/f05") not in differences
    row = next(line for line in report.markdown().splitlines() if f"{FROM_TRUTH} | hull | fixed/f05" in line)
    assert row.endswith("| better |")


def test_failures_are_named_and_the_worst_comes_first(measured: Measurements) -> None:
    text = Report("made up", measured).markdown()
    assert "object 3, single image: no surface" in text
    worst = text[text.index("## Worst") :]
    assert worst.index("| object 3 |") < worst.index("| object 0 |")
    assert "| object 19 |" not in worst


def test_seeds_are_averaged_and_their_spread_is_told(measured: Measurements) -> None:
    assert measured.column(SINGLE, "fixed/f05")[0] == pytest.approx(0.61)
    # Nineteen objects rise by .02 with the second seed, one stays.
    assert measured.seed_spread("fixed/f05") == pytest.approx(0.02 * 19 / 20 / 2**0.5)


def test_files_hold_every_object_and_seed(measured: Measurements, tmp_path: Path) -> None:
    Report("made up", measured, ("a note",)).write(tmp_path)
    assert "- a note" in (tmp_path / "report.md").read_text()
    data = json.loads((tmp_path / "report.json").read_text())
    assert data["objects"] == 20
    assert len(data["targets"]) == 17
    with (tmp_path / "objects.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert float(rows[5][f"{SINGLE}/fixed/f05"]) == pytest.approx(0.66)
    with (tmp_path / "seeds.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [(line["object"], line["seed"]) for line in lines[:3]] == [
        ("object 0", "0"),
        ("object 0", "1"),
        ("object 1", "0"),
    ]


def test_examples_are_good_middling_and_bad_ones() -> None:
    assert examples(list(range(30))) == [29, 28, 27, 13, 14, 15, 2, 1, 0]
    assert examples([4]) == [4]
    assert examples([]) == []
