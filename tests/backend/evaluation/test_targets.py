"""Verdicts on figures that were never measured."""

from __future__ import annotations

import pytest

from backend.evaluation.measurements import Measurements, gather
from backend.evaluation.targets import TARGETS, Verdict, judge
from tests.backend.evaluation.made_up import outcome, results


def measured(f05: float, **other: float) -> Measurements:
    made = results([[outcome(f05, **other)]] * 12, inflated_silhouette=0.5)
    return gather(made, (0,))


def row(found: list[Verdict], what: str) -> Verdict:
    return next(verdict for verdict in found if verdict.what == what)


@pytest.mark.parametrize(
    ("f05", "verdict"),
    [(0.95, "goal reached"), (0.85, "bar reached"), (0.8, "not reached (0.020 off)")],
)
def test_a_mean_is_held_against_bar_and_goal(f05: float, verdict: str) -> None:
    assert row(judge(measured(f05)), "single image to mesh, aligned F@0.05").verdict == verdict


@pytest.mark.parametrize(
    ("degrees", "verdict"),
    [(11.0, "goal reached"), (20.0, "bar reached"), (33.0, "not reached (13.0 deg off)")],
)
def test_of_errors_less_is_better(degrees: float, verdict: str) -> None:
    found = judge(measured(0.8, views__normal_degrees=degrees))
    assert row(found, "normal maps, angular error on the object").verdict == verdict


def test_baselines_must_be_beaten_clear_of_zero() -> None:
    what = "against the silhouette, aligned F@0.05 (*)"
    assert row(judge(measured(0.7)), what).verdict == "bar reached"
    assert row(judge(measured(0.95)), what).verdict == "goal reached"
    assert row(judge(measured(0.4)), what).verdict == "not reached"


def test_above_both_neighbours() -> None:
    what = "against nearest neighbours, aligned F@0.05"
    for oracle, verdict in ((0.65, "goal reached"), (0.9, "bar reached")):
        made = results([[outcome(0.7)]] * 12, nearest_by_image=0.5, oracle_nearest_neighbour=oracle)
        assert row(judge(gather(made, (0,))), what).verdict == verdict


def test_every_row_is_printed_and_what_is_missing_says_so() -> None:
    found = judge(measured(0.8))
    assert len(found) == len(TARGETS)
    assert row(found, "whole path").verdict == "not measured here"
    assert row(found, "against nearest neighbours, fixed F@0.05").verdict == "not measured here"
