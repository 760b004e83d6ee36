from __future__ import annotations

import base64
import queue
import threading
import time
from pathlib import Path

import pytest

from blender_addon import artifacts
from blender_addon.backend_client import BackendClient
from blender_addon.errors import (
    BackendError,
    Cancelled,
    ChangedError,
    ImageError,
    UnreachableError,
    UnsafeAnswerError,
    WayOut,
)
from blender_addon.job_watcher import (
    Event,
    Failed,
    Finished,
    JobWatcher,
    PreviewArrived,
    Progressed,
    follow_job,
    read_image,
)
from blender_addon.protocol import MAX_IMAGE_BYTES, STAGES, JobRequest
from tests.blender_addon.stand_in import TOKEN, StandIn

IMAGE = b"the bytes of an image"


def follow(backend: StandIn, folder: Path) -> list[Event]:
    client = BackendClient(backend.address, TOKEN)
    return list(follow_job(client, JobRequest(image=""), folder, threading.Event()))


def watch(
    backend: StandIn, folder: Path, image: bytes | Path = IMAGE
) -> tuple[JobWatcher, queue.Queue[Event]]:
    events: queue.Queue[Event] = queue.Queue()
    watcher = JobWatcher(
        lambda: BackendClient(backend.address, TOKEN), image, JobRequest(image=""), folder, events.put
    )
    watcher.start()
    return watcher, events


def until(events: queue.Queue[Event], kind: type) -> list[Event]:
    seen = [events.get(timeout=5)]
    while not isinstance(seen[-1], kind):
        seen.append(events.get(timeout=5))
    return seen


def test_a_job_from_start_to_files(backend: StandIn, tmp_path: Path) -> None:
    events = follow(backend, tmp_path)
    stages = [e.status.stage for e in events if isinstance(e, Progressed) and e.status.stage]
    assert list(dict.fromkeys(stages)) == [stage for stage in STAGES if stage in stages]
    assert "views" in stages
    assert {e.name for e in events if isinstance(e, PreviewArrived)} == artifacts.PREVIEWS
    assert isinstance(events[-1], Finished)
    for name in artifacts.ALL:
        assert (tmp_path / name).read_bytes() == backend.files[name]


def test_all_variants_are_fetched_and_the_best_ones_seed_is_told(backend: StandIn, tmp_path: Path) -> None:
    own = dict(backend.files)
    for index in range(2):
        backend.files |= {f"variant_{index:02d}/{name}": data for name, data in own.items()}
    backend.files["variant_00/variant_01/asset.glb"] = backend.files["variant_00/startup.py"] = b"no"
    backend.files["report.json"] = b'{"seed": 8}'
    client = BackendClient(backend.address, TOKEN)
    request = JobRequest(image="", seed=7, variants=2)
    *_, last = follow_job(client, request, tmp_path, threading.Event())
    assert isinstance(last, Finished)
    assert last.seed == 8
    fetched = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert fetched == {f"{folder}{name}" for folder in ("", "variant_00/", "variant_01/") for name in own}


@pytest.mark.parametrize("report", [b"{}", b"[]", b'{"seed": "8"}', b'{"seed": -1}', b"nonsense"])
def test_a_report_without_the_best_ones_seed_is_refused(
    backend: StandIn, tmp_path: Path, report: bytes
) -> None:
    backend.files["report.json"] = report
    request = JobRequest(image="", variants=2)
    with pytest.raises(UnsafeAnswerError, match="seed"):
        list(follow_job(BackendClient(backend.address, TOKEN), request, tmp_path, threading.Event()))


def test_a_variants_asset_is_checked_like_any_other(backend: StandIn, tmp_path: Path) -> None:
    backend.files["variant_00/asset.glb"] = b"not a GLB at all, but long enough"
    with pytest.raises(UnsafeAnswerError):
        follow(backend, tmp_path)


def test_views_arrive_before_the_end(backend: StandIn, tmp_path: Path) -> None:
    backend.step_seconds = 0.1
    events = follow(backend, tmp_path)
    first_view = next(i for i, e in enumerate(events) if isinstance(e, PreviewArrived))
    assert any(isinstance(e, Progressed) and e.status.state == "running" for e in events[first_view:])


def test_files_that_no_job_makes_are_left_alone(backend: StandIn, tmp_path: Path) -> None:
    backend.files["../startup.py"] = b"import os"
    follow(backend, tmp_path / "inner")
    assert not (tmp_path / "startup.py").exists()


def test_a_failed_job_says_why(backend: StandIn, tmp_path: Path) -> None:
    backend.error = ("no_foreground", "No object was found. Crop closer.")
    with pytest.raises(BackendError, match="Crop closer") as caught:
        follow(backend, tmp_path)
    assert caught.value.code == "no_foreground"
    assert caught.value.way_out is WayOut.CHOOSE_IMAGE


def test_a_result_that_is_not_as_listed_is_refused(backend: StandIn, tmp_path: Path) -> None:
    backend.listed["asset.glb"] = (len(backend.files["asset.glb"]), "0" * 64)
    with pytest.raises(ChangedError):
        follow(backend, tmp_path)
    assert not (tmp_path / "asset.glb").exists()


def test_a_cut_connection_is_taken_up_again(backend: StandIn, tmp_path: Path) -> None:
    backend.cut, backend.step_seconds = 3, 0.2
    events = follow(backend, tmp_path)
    sequence = [e.status.sequence for e in events if isinstance(e, Progressed)]
    assert isinstance(events[-1], Finished)
    assert sequence == sorted(set(sequence))


def test_a_backend_that_stays_away_is_an_error(
    backend: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blender_addon.job_watcher.RETRY_DELAYS", (0.01, 0.01))
    backend.cut = 1000
    with pytest.raises(UnreachableError):
        follow(backend, tmp_path)


def test_the_thread_sends_the_image_file(backend: StandIn, tmp_path: Path) -> None:
    image = tmp_path / "chair.png"
    image.write_bytes(IMAGE)
    _, events = watch(backend, tmp_path, image)
    until(events, Finished)
    assert base64.b64decode(backend.requests[0]["image"]) == IMAGE


def test_cancel_ends_the_job_within_a_step(backend: StandIn, tmp_path: Path) -> None:
    backend.step_seconds = 0.3
    watcher, events = watch(backend, tmp_path)
    until(events, Progressed)
    began = time.monotonic()
    watcher.cancel()
    assert time.monotonic() - began < 0.05
    ending = until(events, Failed)[-1]
    assert isinstance(ending, Failed)
    assert isinstance(ending.error, Cancelled)
    assert time.monotonic() - began < 2
    assert backend.cancelled


def test_missing_image_leads_to_another(backend: StandIn, tmp_path: Path) -> None:
    _, events = watch(backend, tmp_path, tmp_path / "gone.png")
    ending = until(events, Failed)[-1]
    assert isinstance(ending, Failed)
    assert isinstance(ending.error, ImageError)
    assert ending.error.way_out is WayOut.CHOOSE_IMAGE
    assert backend.requests == []


def test_empty_and_oversized_files_are_not_sent(tmp_path: Path) -> None:
    empty, large = tmp_path / "empty.png", tmp_path / "large.png"
    empty.touch()
    with large.open("wb") as file:
        file.truncate(MAX_IMAGE_BYTES + 1)
    with pytest.raises(ImageError, match="empty"):
        read_image(empty)
    with pytest.raises(ImageError, match="at most 24 MB"):
        read_image(large)
