"""Seconds and peak memory of each stage, for the report."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from backend.device import peak_memory_mb


class StageClock:
    """`with clock("views"): ...` once a stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        """Wall seconds by stage."""
        self.peak_memory_mb: dict[str, float] = {}
        """The process's peak resident memory when the stage ended."""

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[stage] = time.perf_counter() - start
        self.peak_memory_mb[stage] = peak_memory_mb()
