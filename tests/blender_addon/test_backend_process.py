"""The process handling, with a few lines of Python in the place of `python -m backend`."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from blender_addon import backend_process
from blender_addon.backend_process import LocalBackend
from blender_addon.errors import StartError

SERVE = """
import argparse, pathlib, sys, time
parser = argparse.ArgumentParser()
parser.add_argument("command")
for name in ("port", "token-file", "data-dir", "parent-pid"):
    parser.add_argument("--" + name)
options = parser.parse_args()
pathlib.Path(options.data_dir, "seen").write_text(
    options.parent_pid + " " + pathlib.Path(options.token_file).read_text()
)
print("loading", flush=True)
print("BOZZETTO READY port=4711", flush=True)
time.sleep(60)
"""
FAIL = "import sys; sys.exit('bozzetto: the pack is damaged')"
SILENT = "import time; time.sleep(60)"


def local_backend(folder: Path, program: str) -> LocalBackend:
    (folder / "backend").mkdir()
    (folder / "backend" / "__main__.py").write_text(program)
    return LocalBackend(Path(sys.executable), folder, folder / "data")


def test_it_starts_once_and_stops(tmp_path: Path) -> None:
    backend = local_backend(tmp_path, SERVE)
    try:
        assert backend.start() == "http://127.0.0.1:4711"
        assert backend.running
        first = (tmp_path / "data" / "seen").read_text()
        assert first == f"{os.getpid()} {backend.token}"
        assert backend.start() == "http://127.0.0.1:4711"
        assert (tmp_path / "data" / "seen").read_text() == first
    finally:
        backend.stop()
    assert not backend.running
    assert not backend.token_file.exists()


def test_the_token_is_for_this_user_only(tmp_path: Path) -> None:
    backend = local_backend(tmp_path, SERVE)
    backend.start()
    try:
        assert stat.S_IMODE(backend.token_file.stat().st_mode) == 0o600
        command = Path(f"/proc/{backend._process.pid}/cmdline").read_bytes()
        assert backend.token.encode() not in command
    finally:
        backend.stop()


def test_a_backend_that_was_killed_is_started_again(tmp_path: Path) -> None:
    backend = local_backend(tmp_path, SERVE)
    backend.start()
    try:
        token = backend.token
        os.kill(backend._process.pid, signal.SIGKILL)
        backend._process.wait(5)
        assert not backend.running
        backend.start()
        assert backend.running
        assert backend.token != token
    finally:
        backend.stop()


def test_a_backend_that_ends_while_starting_says_why(tmp_path: Path) -> None:
    backend = local_backend(tmp_path, FAIL)
    with pytest.raises(StartError, match="the pack is damaged"):
        backend.start()
    backend.stop()


def test_a_silent_backend_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend_process, "START_SECONDS", 0.3)
    backend = local_backend(tmp_path, SILENT)
    with pytest.raises(StartError, match="not ready"):
        backend.start()
    backend.stop()


def test_stop_ends_a_start_that_still_waits(tmp_path: Path) -> None:
    backend = local_backend(tmp_path, SILENT)
    errors: list[StartError] = []

    def start() -> None:
        try:
            backend.start()
        except StartError as error:
            errors.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    while not backend.running:
        time.sleep(0.01)
    backend.stop()
    thread.join(5)
    assert not thread.is_alive()
    assert errors


def test_it_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    local_backend(tmp_path, SERVE)
    program = (
        "import sys; from pathlib import Path; from blender_addon.backend_process import LocalBackend\n"
        f"folder = Path({str(tmp_path)!r})\n"
        "backend = LocalBackend(Path(sys.executable), folder, folder / 'data')\n"
        "backend.start(); print(backend._process.pid)"
    )
    root = Path(__file__).resolve().parents[2]
    output = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=root, check=True
    )
    with pytest.raises(ProcessLookupError):
        os.kill(int(output.stdout), 0)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="not set up"):
        LocalBackend(tmp_path / "python", tmp_path, tmp_path / "data").start()
    with pytest.raises(StartError, match="not Bozzetto's folder"):
        LocalBackend(Path(sys.executable), tmp_path, tmp_path / "data").start()
