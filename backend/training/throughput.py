"""Where the time of making samples goes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class StageClock:
    """Seconds spent in named stages; what is timed nowhere is not counted."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time of the block to `name`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start

    def report(self, samples: int) -> str:
        """Samples per second and each stage's share, the bottleneck first."""
        total = sum(self.seconds.values())
        if not samples or not total:
            return "no samples timed"
        ordered = sorted(self.seconds.items(), key=lambda item: -item[1])
        shares = ", ".join(
            f"{name} {seconds / total:.0%} ({1000 * seconds / samples:.0f} ms)" for name, seconds in ordered
        )
        return f"{samples / total:.2f} samples/s; {shares}; bottleneck: {ordered[0][0]}"
