from __future__ import annotations

import io

from blender_addon.progress_bar import ProgressBar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_file_gets_one_line_a_stage() -> None:
    stream = io.StringIO()
    bar = ProgressBar("chair.png", stream)
    for fraction in (0.1, 0.2, 0.3):
        bar.show("views", fraction)
    bar.show("mesh", 0.6)
    bar.close("out/chair (12 s)")
    assert stream.getvalue().splitlines() == [
        " 10%  chair.png: views",
        " 60%  chair.png: mesh",
        "chair.png: out/chair (12 s)",
    ]


def test_a_terminal_gets_one_line_that_moves() -> None:
    stream = Terminal()
    bar = ProgressBar("chair.png", stream)
    bar.show("views", 0.5)
    bar.show("mesh", 1.0)
    bar.close("done")
    assert stream.getvalue().count("\n") == 1
    assert "█" * 24 in stream.getvalue()
