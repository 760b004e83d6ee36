"""What choosing is worth when the score is right, wrong or silent."""

from __future__ import annotations

import numpy as np
import pytest

from backend.evaluation.best_of import CEILING, choose, gains, variant_count
from backend.evaluation.measurements import gather
from backend.evaluation.results import Outcome
from tests.backend.evaluation.made_up import outcome, results

QUALITIES = (0.5, 0.6, 0.7, 0.8)


def gain_of(singles: list[list[Outcome]], criterion: str, metric: str = "aligned/f05") -> float:
    measured = gather(results(singles), (0,), (0, 1, 2, 3))
    assert variant_count(measured) == 4
    return next(g for g in gains(measured) if (g.criterion, g.metric) == (criterion, metric)).interval.mean


def scored(direction: int) -> list[list[Outcome]]:
    """The score knows (1) or misjudges (-1) the quality; objects have their best at different places."""
    return [
        [outcome(q, variant__score=direction * q) for q in np.roll(QUALITIES, shift)] for shift in range(8)
    ]


def test_a_score_that_knows_gains_the_best_minus_the_mean() -> None:
    assert gain_of(scored(1), "score (what --variants uses)") == pytest.approx(0.15)


def test_a_score_that_misjudges_loses() -> None:
    assert gain_of(scored(-1), "score (what --variants uses)") == pytest.approx(-0.15)
    assert gain_of(scored(-1), CEILING) == pytest.approx(0.15)


def test_failed_variants_are_passed_over() -> None:
    assert choose(np.array([[np.nan, 0.2, 0.1], [np.nan] * 3])).tolist() == [1, 0]


def test_nothing_is_told_of_variants_that_were_not_made() -> None:
    measured = gather(results([[outcome(0.5)]]), (0,))
    assert variant_count(measured) == 0
    assert gains(measured) == []
