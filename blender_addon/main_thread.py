"""The one door from other threads to Blender's data: a timer on the main thread drains a queue."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from typing import Any

import bpy

ACTIVE_SECONDS = 0.1
"""Pause between two looks into the queue."""
BUDGET_SECONDS = 0.02
"""A tick hands on no further event once it has taken this long; Blender draws in between."""


class MainThreadQueue:
    """Events put here from any thread are handled on the main thread, in their order."""

    def __init__(self, handle: Callable[[Any], None], done: Callable[[], bool]) -> None:
        """
        Args:
            handle: called with each event.
            done: called after each look into the queue; when it says that nothing more is expected, the
                timer ends until the next `start`.
        """
        self._handle, self._done = handle, done
        self._events: queue.SimpleQueue[Any] = queue.SimpleQueue()
        # bpy.app.timers knows a timer by its object, and each `self._tick` is a new bound method.
        self._timer = self._tick
        self.longest_tick = 0.0
        """Seconds."""

    def put(self, event: Any) -> None:
        self._events.put(event)

    def start(self) -> None:
        if not bpy.app.timers.is_registered(self._timer):
            bpy.app.timers.register(self._timer, first_interval=ACTIVE_SECONDS, persistent=True)

    def stop(self) -> None:
        if bpy.app.timers.is_registered(self._timer):
            bpy.app.timers.unregister(self._timer)

    def drain(self) -> None:
        """Handle what has come, within the budget."""
        began = time.perf_counter()
        while time.perf_counter() - began < BUDGET_SECONDS:
            try:
                event = self._events.get_nowait()
            except queue.Empty:
                break
            self._handle(event)
        self.longest_tick = max(self.longest_tick, time.perf_counter() - began)

    def _tick(self) -> float | None:
        self.drain()
        return None if self._done() else ACTIVE_SECONDS
