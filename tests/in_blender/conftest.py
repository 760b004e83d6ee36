"""These tests run inside real Blender: the bpy module in an environment of its own (see build.py)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

bpy = pytest.importorskip("bpy", reason="runs in the environment with Blender's module")

TESTS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS / "blender_addon"))

from stand_in import StandIn, running_stand_in  # noqa: E402


@pytest.fixture(scope="session")
def addon() -> str:
    """The add-on, enabled; its module name."""
    from blender_addon import headless

    return headless.enable()


@pytest.fixture
def scene(addon: str) -> bpy.types.Scene:
    """An empty scene in an empty file."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    return bpy.context.scene


@pytest.fixture
def backend() -> Iterator[StandIn]:
    with running_stand_in() as stand_in:
        yield stand_in
