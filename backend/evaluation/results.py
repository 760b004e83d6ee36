"""Results on disk, one file an object and job, so that an interrupted evaluation goes on where it stopped."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from backend.packs.loading import Pack

_BACKEND = Path(__file__).parents[1]
_MAKE_ASSETS = ("geometry", "models", "packs", "pipeline")
"""Packages of the backend whose code decides what an asset looks like."""


@dataclass(frozen=True)
class Outcome:
    """What one job gave for one object."""

    numbers: dict[str, float]
    """By '<group>/<metric>', such as 'fixed/f05' or 'views/psnr'."""
    error: str | None = None
    """Why there is no result, in which case the geometry counts as failed."""


@dataclass(frozen=True)
class ObjectResults:
    """All that was measured on one object."""

    name: str
    baselines: dict[str, Outcome]
    from_truth: Outcome | None
    """Each half on true input; None when only baselines were run, or where there is no truth."""
    single: dict[int, Outcome]
    """The whole system, by seed."""
    row: Path | None
    """Its row of the contact sheet, made with the first seed."""


def system_key(pack: Pack) -> dict[str, object]:
    """The part of a key that stands for the system: its weights and its code."""
    return {"pack": pack.name, "revision": pack.revision, "code": code_revision(_BACKEND)}


@functools.cache
def code_revision(backend: Path) -> str:
    """Changes with any Python file that takes part in making an asset."""
    digest = hashlib.sha256()
    for package in _MAKE_ASSETS:
        for file in sorted((backend / package).rglob("*.py")):
            content = file.read_bytes()
            digest.update(f"{file.relative_to(backend)} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:12]


def cached(path: Path, key: Mapping[str, object], compute: Callable[[], Outcome]) -> Outcome:
    """The outcome stored at `path` if it was stored under the same key, or else `compute`'s, stored.

    Args:
        key: all that the outcome depends on, as JSON values.
    """
    # Through JSON, as the stored key went: tuples become lists.
    wanted = json.loads(json.dumps(key))
    if path.exists():
        stored = json.loads(path.read_text(encoding="utf-8"))
        if stored["key"] == wanted:
            return Outcome(stored["numbers"], stored["error"])
    outcome = compute()
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps({"key": wanted, **asdict(outcome)}, indent=1), encoding="utf-8")
    partial.replace(path)
    return outcome
