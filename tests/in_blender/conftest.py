"""These tests run inside real Blender: the bpy module in an environment of its own (see build.py)."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

import pytest

from tests.blender_addon.stand_in import StandIn, running_stand_in

if importlib.util.find_spec("bpy") is None:
    collect_ignore_glob = ["test_*.py"]
else:
    import bpy


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
