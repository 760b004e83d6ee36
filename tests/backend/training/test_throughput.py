from __future__ import annotations

import pytest

from backend.training.throughput import StageClock


def test_the_slowest_stage_is_the_bottleneck() -> None:
    clock = StageClock()
    clock.seconds = {"models": 1.0, "labels": 3.0, "render": 1.0}
    assert clock.report(10) == (
        "2.00 samples/s; labels 60% (300 ms), models 20% (100 ms), render 20% (100 ms); bottleneck: labels"
    )
    assert StageClock().report(0) == "no samples timed"


def test_stages_add_up_even_when_one_fails() -> None:
    clock = StageClock()
    with clock.stage("a"):
        pass
    with pytest.raises(KeyError), clock.stage("a"):
        raise KeyError
    assert list(clock.seconds) == ["a"]
    assert clock.seconds["a"] > 0
