"""Where the goldens and the parameter manifests lie; without them these tests are skipped."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from goldens import Golden

DEFAULT = Path(__file__).parents[4] / "shared" / "parity"


@pytest.fixture(scope="session")
def golden() -> Callable[..., Golden]:
    """Opens the goldens of a model."""
    folder = Path(os.environ.get("BOZZETTO_GOLDENS", DEFAULT / "goldens"))
    if not folder.is_dir():
        pytest.skip(f"no goldens: {folder} is not there (set BOZZETTO_GOLDENS)")
    return lambda name, prefix="": Golden(folder / name, prefix)


@pytest.fixture(scope="session")
def manifests() -> Path:
    """The public checkpoints' parameter lists: beside the goldens, or in the default place."""
    folders = [Path(os.environ.get("BOZZETTO_GOLDENS", DEFAULT / "goldens")).parent, DEFAULT]
    for folder in folders:
        if (folder / "manifests").is_dir():
            return folder / "manifests"
    pytest.skip(f"no parameter lists: {folders[0] / 'manifests'} is not there (set BOZZETTO_GOLDENS)")
