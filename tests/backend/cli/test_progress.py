from __future__ import annotations

import io
import threading

import pytest

from backend.cli.progress import TerminalProgress
from backend.errors import Cancelled
from backend.protocol import STAGES


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def run_all(stream: io.StringIO) -> str:
    with TerminalProgress("chair", stream) as progress:
        for stage in STAGES:
            for step in range(11):
                progress.advance(stage, step / 10)
    return stream.getvalue()


def test_a_file_gets_one_line_per_stage() -> None:
    assert run_all(io.StringIO()).splitlines() == [f"chair: {stage}" for stage in STAGES]


def test_a_terminal_gets_a_bar_that_names_the_stages_and_fills() -> None:
    text = run_all(Terminal())
    assert all(f"chair: {stage}" in text for stage in STAGES)
    assert "100%" in text
    assert "101%" not in text


def test_variants_are_counted_and_fill_the_bar_together() -> None:
    stream = io.StringIO()
    with TerminalProgress("chair", stream) as progress:
        for index in range(2):
            progress.begin_variant(index, 2)
            progress.advance("export", 1.0)
    assert stream.getvalue().splitlines() == ["chair: export (1 of 2)", "chair: export (2 of 2)"]


def test_a_wish_to_stop_is_told_at_the_next_report() -> None:
    stop = threading.Event()
    with TerminalProgress("chair", io.StringIO(), stop) as progress:
        progress.advance("views", 0.1)
        stop.set()
        with pytest.raises(Cancelled):
            progress.advance("views", 0.2)
