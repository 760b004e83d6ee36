"""Ctrl-C as a request first, as an order the second time."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def first_interrupt_asks() -> Iterator[threading.Event]:
    """In the block the first Ctrl-C only sets the event; the next one raises KeyboardInterrupt as ever.

    For the main thread, where Python hears signals.
    """
    asked = threading.Event()

    def hear(number: int, frame: FrameType | None) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    before = signal.signal(signal.SIGINT, hear)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)
