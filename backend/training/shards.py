"""One shard of samples on disk: a memory-mapped array a channel, whole or not there at all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

Channels = Mapping[str, tuple[tuple[int, ...], str]]
"""By name: one sample's shape, and the numpy type."""


def shard_path(folder: Path, number: int) -> Path:
    """Where a finished shard lies."""
    return folder / f"shard_{number:04d}"


@contextmanager
def writing_shard(
    folder: Path, number: int, count: int, channels: Channels, index: object
) -> Iterator[dict[str, np.ndarray]]:
    """Arrays of `count` samples to be filled; the shard appears, with its index, at the end."""
    partial = folder / f"partial_{number:04d}"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    yield {
        name: np.lib.format.open_memmap(
            partial / f"{name}.npy", mode="w+", dtype=dtype, shape=(count, *shape)
        )
        for name, (shape, dtype) in channels.items()
    }
    (partial / "index.json").write_text(json.dumps(index))
    partial.rename(shard_path(folder, number))


def read_shards(folder: Path, channels: Channels) -> Iterator[tuple[dict[str, np.ndarray], dict[str, Any]]]:
    """Every finished shard's arrays and index, by number."""
    for path in sorted(folder.glob("shard_*")):
        arrays = {name: np.load(path / f"{name}.npy", mmap_mode="r") for name in channels}
        yield arrays, json.loads((path / "index.json").read_text())
