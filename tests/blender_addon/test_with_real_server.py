"""The add-on's client and process handling against the backend's own server."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from blender_addon.backend_client import BackendClient
from blender_addon.backend_process import LocalBackend
from blender_addon.errors import BackendError, Cancelled, TokenError, UnsafeAnswerError
from blender_addon.job_watcher import PreviewArrived, Progressed, encode_image, follow_job
from blender_addon.protocol import READY_PREFIX, JobRequest

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "a-token-for-these-tests"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackendClient]:
    """The real server whose runner does what the image's bytes say (tests.backend.jobs.fakes)."""
    folder = tmp_path_factory.mktemp("server")
    command = [sys.executable, "-m", "tests.backend.api.scripted_server", str(folder)]
    process = subprocess.Popen(
        [*command, "--parent-pid", str(os.getpid())],
        cwd=ROOT,
        env={**os.environ, "BOZZETTO_TOKEN": TOKEN},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with closing(process.stdout) as output:
        port = int(output.readline().removeprefix(READY_PREFIX))
        yield BackendClient(f"http://127.0.0.1:{port}", TOKEN)
        process.terminate()
        process.wait(10)


def request(script: bytes, **options: object) -> JobRequest:
    return JobRequest(image=encode_image(script), name="chair", **options)


def test_greeting(client: BackendClient) -> None:
    assert client.health().protocol_version == 1
    with pytest.raises(TokenError):
        BackendClient(client.address, "not-the-right-token").health()


def test_stages_and_previews_arrive_and_what_is_no_asset_is_refused(
    client: BackendClient, tmp_path: Path
) -> None:
    events = follow_job(client, request(b"succeed"), tmp_path, threading.Event())
    seen = []
    with pytest.raises(UnsafeAnswerError, match=r"asset\.glb"):
        seen.extend(events)
    for event in follow_job(client, request(b"preview, steps"), tmp_path, threading.Event()):
        seen.append(event)
        if isinstance(event, PreviewArrived):
            break
    client.cancel(seen[-2].status.id)
    assert seen[-1].path.read_bytes().startswith(b"\x89PNG")


def test_cancel_reaches_a_running_job(client: BackendClient, tmp_path: Path) -> None:
    cancelled = threading.Event()
    events = follow_job(client, request(b"steps"), tmp_path, cancelled)
    next(event for event in events if isinstance(event, Progressed) and event.status.stage == "views")
    cancelled.set()
    began = time.monotonic()
    with pytest.raises(Cancelled):
        list(events)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("script", "options", "code"),
    [
        (b"bad image", {}, "bad_image"),
        (b"succeed", {"faces": 1}, "bad_option"),
        (b"succeed", {"pack": "huge"}, "pack"),
    ],
)
def test_failures_keep_their_code_and_their_words(
    client: BackendClient, tmp_path: Path, script: bytes, options: dict[str, object], code: str
) -> None:
    with pytest.raises(BackendError) as caught:
        list(follow_job(client, request(script, **options), tmp_path, threading.Event()))
    assert caught.value.code == code
    assert len(str(caught.value)) > 10


def test_the_local_backend_is_pythons_own_serve(tmp_path: Path) -> None:
    backend = LocalBackend(Path(sys.executable), ROOT, tmp_path / "data")
    try:
        client = BackendClient(backend.start(), backend.token)
        assert client.health().protocol_version == 1
    finally:
        backend.stop()
    assert not backend.running
