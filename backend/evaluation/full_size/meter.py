"""What each stage of a computation costs, next to what the original program was recorded to cost."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from backend.device import peak_gpu_memory_mb, peak_memory_mb, synchronise


@dataclass(frozen=True)
class StageCost:
    """One stage."""

    name: str
    seconds: float
    """Wall time."""
    cpu_seconds: float
    """Of all threads of this process together: on a busy machine the fairer figure."""
    peak_gib: float
    """Largest resident memory of the process until the stage's end; on a GPU, of its own memory."""


@dataclass(frozen=True)
class Original:
    """Recorded figures of the original program: same machine kind, 2 threads, float32."""

    seconds: Mapping[str, float]
    """By the name of our stage; what we do not do at all is in `without`."""
    without: Mapping[str, float]
    """Stages of the original that have no counterpart here."""
    peak_gib: float


class StageMeter:
    """Measures named stages one after the other."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.costs: list[StageCost] = []

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        synchronise(self._device)
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        synchronise(self._device)
        peak = peak_gpu_memory_mb(self._device) or peak_memory_mb()
        cost = StageCost(name, time.perf_counter() - wall, time.process_time() - cpu, peak / 1024)
        self.costs.append(cost)
        print(f"  {name}: {cost.seconds:.1f} s ({cost.cpu_seconds:.1f} s of CPU)", flush=True)


def comparison(costs: Sequence[StageCost], original: Original) -> str:
    """A Markdown table of our stages with the originals' wall seconds and the ratios ours / theirs.

    The original had two threads, so its CPU seconds are up to twice its wall seconds. The total counts the
    stages that the original also has, and what it does besides.
    """
    rows = ["| stage | original s | wall s | ratio | CPU s | peak GiB |", "|---|---|---|---|---|---|"]
    for cost in costs:
        theirs = original.seconds.get(cost.name)
        rows.append(_row(cost.name, theirs, cost.seconds, cost.cpu_seconds, cost.peak_gib))
    rows += [_row(name, seconds, 0.0, 0.0, None) for name, seconds in original.without.items()]
    shared = [cost for cost in costs if cost.name in original.seconds]
    total = sum(original.seconds[cost.name] for cost in shared) + sum(original.without.values())
    peak = max((cost.peak_gib for cost in costs), default=0.0)
    rows.append(
        _row(
            "total",
            total,
            sum(cost.seconds for cost in shared),
            sum(cost.cpu_seconds for cost in shared),
            peak,
        )
    )
    memory = (
        f"Peak memory {peak:.1f} GiB, the original {original.peak_gib:.1f}: {peak / original.peak_gib:.2f}."
    )
    return "\n".join([*rows, "", memory])


def _row(name: str, theirs: float | None, wall: float, cpu: float, peak: float | None) -> str:
    ratio = "-" if not theirs else f"{wall / theirs:.2f}"
    original = "-" if theirs is None else f"{theirs:.1f}"
    memory = "-" if peak is None else f"{peak:.1f}"
    return f"| {name} | {original} | {wall:.1f} | {ratio} | {cpu:.1f} | {memory} |"
