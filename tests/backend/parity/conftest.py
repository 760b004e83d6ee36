"""Where the goldens and the parameter manifests lie; without them these tests are skipped."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from goldens import Golden


@pytest.fixture(scope="session")
def parity_folder() -> Path:
    """Where `goldens` and `manifests` lie."""
    default = Path(__file__).parents[4] / "shared" / "parity" / "goldens"
    folder = Path(os.environ.get("BOZZETTO_GOLDENS", default))
    if not folder.is_dir():
        pytest.skip(f"no goldens: BOZZETTO_GOLDENS names no folder, and {default} does not exist")
    return folder


@pytest.fixture(scope="session")
def golden(parity_folder: Path) -> Callable[..., Golden]:
    return lambda name, prefix="": Golden(parity_folder / name, prefix)
