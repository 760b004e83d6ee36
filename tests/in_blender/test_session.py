"""The panel's session against a backend over loopback. Background mode runs no timers: these tests tick."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import bpy
import pytest

from tests.blender_addon.stand_in import TOKEN, StandIn
from tests.blender_addon.tiny_asset import png

LONGEST_TICK = 0.05
"""Seconds that the main thread may be held while a job runs."""


@pytest.fixture
def session(addon: str, scene: bpy.types.Scene) -> Iterator[object]:
    from blender_addon.session import Session

    session = Session()
    yield session
    session.close()


def choice(address: str, token_file: Path):
    from blender_addon.preferences import ADDRESS, BackendChoice

    token_file.write_text(TOKEN)
    return BackendChoice(ADDRESS, None, None, address, token_file, online_access=False)


def generate(session, address: str, folder: Path) -> None:
    from blender_addon.protocol import JobRequest

    session.generate(choice(address, folder / "token"), png((9, 9, 9)), JobRequest(""), "red chair.png", True)


def clock() -> float:
    """Seconds, without those that this thread waited for a processor that others were using."""
    statistics = Path("/proc/thread-self/schedstat")
    waited = int(statistics.read_text().split()[1]) if statistics.exists() else 0
    return time.perf_counter() - waited * 1e-9


def tick_until(session, done, seconds: float = 10.0) -> list[float]:
    """Tick as Blender's timer would; how long each tick held the main thread until `done` was seen."""
    held = []
    ending = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < ending, f"still {session.phase}"
        time.sleep(0.02)
        began = clock()
        session.queue.drain()
        held.append(clock() - began)
        session._settle()
    return held


def test_an_asset_arrives_without_holding_the_main_thread(session, backend: StandIn, tmp_path: Path) -> None:
    began = clock()
    generate(session, backend.address, tmp_path)
    assert clock() - began < LONGEST_TICK
    held = tick_until(session, lambda: not session.busy)
    assert max(held) < LONGEST_TICK
    assert session.error is None
    assert [result.object_name for result in session.results] == ["red chair"]
    assert "red chair" in bpy.context.scene.objects
    assert len(session.icons) == 13


def test_the_asset_is_one_undo_step(session, backend: StandIn, tmp_path: Path) -> None:
    bpy.ops.ed.undo_push(message="before")
    generate(session, backend.address, tmp_path)
    tick_until(session, lambda: not session.busy)
    assert "red chair" in bpy.data.objects
    bpy.ops.ed.undo()
    assert "red chair" not in bpy.data.objects
    bpy.ops.ed.redo()
    assert "red chair" in bpy.data.objects


def test_views_arrive_while_the_job_runs(session, backend: StandIn, tmp_path: Path) -> None:
    backend.step_seconds = 0.15
    generate(session, backend.address, tmp_path)
    tick_until(session, lambda: len(session.icons) >= 6)
    assert session.busy
    tick_until(session, lambda: not session.busy)


def test_a_socket_that_never_answers_does_not_hold_blender(session, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        began = clock()
        generate(session, f"http://127.0.0.1:{deaf.getsockname()[1]}", tmp_path)
        started = clock() - began
        ending = time.monotonic() + 1.0
        held = tick_until(session, lambda: time.monotonic() > ending)
        began = clock()
        session.cancel()
        cancelled = clock() - began
    assert max(started, cancelled, *held) < LONGEST_TICK


def test_a_cancelled_job_that_stays_deaf_is_left_to_itself(
    session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blender_addon.session.ABANDON_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        generate(session, f"http://127.0.0.1:{deaf.getsockname()[1]}", tmp_path)
        session.cancel()
        tick_until(session, lambda: not session.busy, seconds=1.0)
    assert session.error is None


def test_cancel(session, backend: StandIn, tmp_path: Path) -> None:
    backend.step_seconds = 0.3
    generate(session, backend.address, tmp_path)
    tick_until(session, lambda: session.status is not None)
    session.cancel()
    tick_until(session, lambda: not session.busy, seconds=2.0)
    assert session.error is None
    assert backend.cancelled
    assert session.results == []
    assert len(bpy.data.objects) == 0


def test_a_failure_is_shown_with_a_way_out(session, backend: StandIn, tmp_path: Path) -> None:
    from blender_addon.errors import WayOut

    backend.error = ("no_foreground", "No object was found.")
    generate(session, backend.address, tmp_path)
    tick_until(session, lambda: not session.busy)
    assert str(session.error) == "No object was found."
    assert session.error.way_out is WayOut.CHOOSE_IMAGE


def test_a_hostile_asset_is_not_imported(session, backend: StandIn, tmp_path: Path) -> None:
    from tests.blender_addon.tiny_asset import cube_glb

    backend.files["asset.glb"] = cube_glb({"images": [{"uri": "/etc/passwd"}]})
    generate(session, backend.address, tmp_path)
    tick_until(session, lambda: not session.busy)
    assert "refers to another file" in str(session.error)
    assert len(bpy.data.objects) == 0


def test_the_asset_waits_for_object_mode(session, backend: StandIn, tmp_path: Path) -> None:
    from blender_addon.session import Phase

    bpy.ops.mesh.primitive_cube_add()
    bpy.ops.object.mode_set(mode="EDIT")
    generate(session, backend.address, tmp_path)
    tick_until(session, lambda: session.phase is Phase.PLACING)
    session._settle()
    assert "red chair" not in bpy.data.objects
    bpy.ops.object.mode_set(mode="OBJECT")
    tick_until(session, lambda: not session.busy)
    assert "red chair" in bpy.data.objects


def test_temporary_files_go_with_the_session(session, backend: StandIn, tmp_path: Path) -> None:
    generate(session, backend.address, tmp_path)
    tick_until(session, lambda: not session.busy)
    folder = session._folder
    assert (folder / "asset.glb").exists()
    session._clear()
    assert not folder.exists()


def test_the_token_is_not_in_the_file(session, backend: StandIn, tmp_path: Path) -> None:
    generate(session, backend.address, tmp_path)
    tick_until(session, lambda: not session.busy)
    target = tmp_path / "scene.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(target), compress=False, copy=True)
    assert TOKEN.encode() not in target.read_bytes()


def test_a_backend_elsewhere_needs_online_access(session, tmp_path: Path) -> None:
    from blender_addon.errors import AddressError

    with pytest.raises(AddressError, match="online access"):
        generate(session, "https://gpu.example.org", tmp_path)
    assert not session.busy


def test_without_a_set_up_backend_the_way_out_is_the_set_up(session, tmp_path: Path) -> None:
    from blender_addon.errors import SetupError, WayOut
    from blender_addon.preferences import LOCAL, BackendChoice
    from blender_addon.protocol import JobRequest

    nothing = BackendChoice(LOCAL, None, None, "", None, online_access=False)
    with pytest.raises(SetupError) as caught:
        session.generate(nothing, b"x", JobRequest(""), "a.png", True)
    assert caught.value.way_out is WayOut.SET_UP

    empty = BackendChoice(LOCAL, tmp_path, tmp_path / "kept", "", None, online_access=False)
    session.generate(empty, b"x", JobRequest(""), "a.png", True)
    tick_until(session, lambda: not session.busy)
    assert "not set up" in str(session.error)
    assert session.error.way_out is WayOut.SET_UP
