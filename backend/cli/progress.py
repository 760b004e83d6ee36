"""Progress on a terminal: a bar that names the stages, or one line per stage where there is no terminal."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

from tqdm import tqdm

from backend.errors import Cancelled
from backend.jobs.job import overall_fraction, with_stage

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import UInt8


class TerminalProgress:
    """The pipeline's Progress for one image. A context manager: the bar is closed in any case.

    Once `cancelled` is set, the next report raises Cancelled.
    """

    def __init__(self, name: str, stream: TextIO, cancelled: threading.Event | None = None) -> None:
        self._name = name
        self._stream = stream
        self._cancelled = threading.Event() if cancelled is None else cancelled
        self._begun: tuple[str, ...] = ()
        self._variant, self._variants = 0, 1
        self._bar = tqdm(
            total=100,
            file=stream,
            disable=not stream.isatty(),
            desc=name,
            bar_format="{desc}: {percentage:3.0f}% |{bar}| {elapsed}",
        )

    def __enter__(self) -> TerminalProgress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()

    def advance(self, stage: str, fraction: float) -> None:
        """`fraction` in [0, 1] of `stage` is done."""
        if self._cancelled.is_set():
            raise Cancelled("Stopped before anything was finished.")
        if stage not in self._begun:
            self._begun = with_stage(self._begun, stage)
            place = f" ({self._variant + 1} of {self._variants})" if self._variants > 1 else ""
            self._bar.set_description(f"{self._name}: {stage}{place}", refresh=False)
            if self._bar.disable:
                print(f"{self._name}: {stage}{place}", file=self._stream, flush=True)
        self._bar.n = 100 * overall_fraction(self._begun, fraction, self._variant, self._variants)
        self._bar.refresh()

    def begin_variant(self, index: int, count: int) -> None:
        """What is reported from now on belongs to variant `index` of `count`."""
        self._variant, self._variants, self._begun = index, count, ()

    def preview(self, name: str, image: UInt8[np.ndarray, "h w c"]) -> None:
        """A terminal shows no images."""
