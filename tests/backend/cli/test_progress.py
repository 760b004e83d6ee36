from __future__ import annotations

import io

from backend.cli.progress import TerminalProgress
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
