from __future__ import annotations

from collections.abc import Iterator

import pytest

from backend.training.dataset import REFERENCE_SIZE, VIEW_SIZE
from backend.training.rendering import Renderer


@pytest.fixture(scope="session")
def renderer() -> Iterator[Renderer]:
    """A renderer at the views' size; tests that need one are skipped where OpenGL is missing."""
    try:
        opened = Renderer(VIEW_SIZE)
    except Exception as error:  # whatever the loader of the system's libraries raises
        pytest.skip(f"no OpenGL through EGL on this machine (libegl1, libgl1-mesa-dri): {error}")
    with opened:
        yield opened


@pytest.fixture(scope="session")
def reference_renderer(renderer: Renderer) -> Iterator[Renderer]:
    """One at the reference images' size, skipped likewise."""
    with Renderer(REFERENCE_SIZE) as opened:
        yield opened
