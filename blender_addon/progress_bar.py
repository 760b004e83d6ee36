"""A job's progress on a terminal; plain lines, one a stage, where the output is no terminal."""

from __future__ import annotations

from typing import TextIO

_WIDTH = 24
_ERASE_TO_END = "\x1b[K"


class ProgressBar:
    def __init__(self, title: str, stream: TextIO) -> None:
        self._title, self._stream = title, stream
        self._live = stream.isatty()
        self._last = ""

    def show(self, text: str, fraction: float) -> None:
        """`text` names what is being done; `fraction` in [0, 1] of the whole is done."""
        if self._live:
            filled = round(_WIDTH * min(1.0, max(0.0, fraction)))
            bar = "█" * filled + "░" * (_WIDTH - filled)
            self._stream.write(f"\r{bar} {fraction:4.0%}  {self._title}: {text}{_ERASE_TO_END}")
        elif text != self._last:
            self._stream.write(f"{fraction:4.0%}  {self._title}: {text}\n")
        self._last = text
        self._stream.flush()

    def close(self, text: str) -> None:
        """Replace the bar by its last word."""
        start, end = ("\r", _ERASE_TO_END) if self._live else ("", "")
        self._stream.write(f"{start}{self._title}: {text}{end}\n")
        self._stream.flush()
