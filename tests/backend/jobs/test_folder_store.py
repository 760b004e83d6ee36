from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from backend.errors import (
    ArtifactNotFoundError,
    ConflictError,
    JobNotFoundError,
    OutputError,
    QueueFullError,
)
from backend.jobs.folder_store import FolderJobStore
from backend.jobs.job import Job
from backend.protocol import ErrorInfo, JobRequest

REQUEST = JobRequest(image="")


@pytest.fixture
def store(tmp_path: Path) -> FolderJobStore:
    return FolderJobStore(tmp_path / "store", queue_limit=3, keep_finished=2)


def add(store: FolderJobStore, image: bytes = b"image", key: str | None = None, **changes: object) -> Job:
    request = JobRequest(image="", **changes)
    return store.add(request, image, pack_revision="r1", idempotency_key=key)


def finish(store: FolderJobStore) -> Job:
    job = store.claim()
    assert job is not None
    return store.change(job.id, lambda job: job.succeeded(()))


def test_the_sequence_has_no_gap_and_no_repeat_under_parallel_changes(store: FolderJobStore) -> None:
    job_id = add(store).id
    store.claim()
    fractions = [n / 400 for n in range(1, 401)]
    with ThreadPoolExecutor(8) as pool:
        jobs = pool.map(lambda f: store.change(job_id, lambda job: job.advanced("views", f)), fractions)
    assert sorted(job.sequence for job in jobs) == list(range(2, 402))


def test_a_change_that_changes_nothing_has_no_number(store: FolderJobStore) -> None:
    add(store)
    job = finish(store)
    assert store.change(job.id, lambda job: job.cancel_asked()).sequence == job.sequence


def test_subscribers_are_woken_by_changes_of_their_job_only(store: FolderJobStore) -> None:
    first, second = add(store), add(store)
    woken = threading.Event()
    with store.subscribe(first.id, woken.set):
        store.change(second.id, lambda job: job.cancel_asked())
        assert not woken.is_set()
        store.change(first.id, lambda job: job.cancel_asked())
        assert woken.is_set()


def test_the_queue_is_served_in_order_and_a_requeued_job_comes_first(store: FolderJobStore) -> None:
    first, second = add(store), add(store)
    assert [store.queue_position(job.id) for job in (first, second)] == [0, 1]
    assert store.claim() == store.get(first.id)
    store.change(first.id, lambda job: job.requeued())
    assert [store.queue_position(job.id) for job in (first, second)] == [0, 1]
    assert store.claim().attempts == 2
    assert store.queue_position(first.id) is None


def test_a_full_queue_refuses_and_forgets_the_image(store: FolderJobStore, tmp_path: Path) -> None:
    for _ in range(3):
        add(store)
    with pytest.raises(QueueFullError, match="3 jobs are waiting"):
        add(store)
    assert len(list((tmp_path / "store").iterdir())) == 3
    store.claim()
    add(store)


def test_fifty_parallel_submissions_with_one_key_are_one_job(store: FolderJobStore) -> None:
    with ThreadPoolExecutor(16) as pool:
        ids = set(pool.map(lambda _: add(store, key="k").id, range(50)))
    assert len(ids) == 1
    assert store.claim() is not None
    assert store.claim() is None


@pytest.mark.parametrize("other", [{"image": b"other"}, {"seed": 1}])
def test_one_key_with_another_content_is_a_conflict(store: FolderJobStore, other: dict[str, object]) -> None:
    add(store, key="k")
    with pytest.raises(ConflictError):
        add(store, key="k", **other)


def test_the_same_content_without_a_key_is_another_job(store: FolderJobStore) -> None:
    assert add(store).id != add(store).id


def test_an_unknown_job_is_an_error_everywhere(store: FolderJobStore) -> None:
    for ask in (store.get, store.queue_position, store.image_path, store.fresh_work_folder):
        with pytest.raises(JobNotFoundError, match="no job 'nobody'"):
            ask("nobody")


def test_artifacts_are_served_by_listed_name_only(store: FolderJobStore, tmp_path: Path) -> None:
    job_id = add(store).id
    store.claim()
    file = store.fresh_work_folder(job_id) / "a.glb"
    file.write_bytes(b"glb")
    kept = store.keep(job_id, "asset.glb", file)
    assert not file.exists()
    with pytest.raises(ArtifactNotFoundError):  # kept, but not listed yet
        store.artifact(job_id, "asset.glb")
    store.change(job_id, lambda job: job.succeeded((kept,)))
    found, path = store.artifact(job_id, "asset.glb")
    assert (found, path.read_bytes()) == (kept, b"glb")
    (tmp_path / "secret").touch()
    absolute = str(tmp_path / "secret")
    for name in ("../image", "../../../secret", absolute, kept.sha256, "", "asset.glb\0", "./asset.glb"):
        with pytest.raises(ArtifactNotFoundError):
            store.artifact(job_id, name)


def test_an_ended_job_keeps_its_listed_artifacts_and_nothing_else(
    store: FolderJobStore, tmp_path: Path
) -> None:
    job_id = add(store).id
    store.claim()
    work = store.fresh_work_folder(job_id)
    for name in ("preview", "result", "scrap"):
        (work / name).write_text(name)
    store.keep(job_id, "views/rgb_0.png", work / "preview")
    result = store.keep(job_id, "asset.glb", work / "result")
    store.change(job_id, lambda job: job.succeeded((result,)))
    left = [path.name for path in (tmp_path / "store").rglob("*") if path.is_file()]
    assert left == [result.sha256]


def test_a_failed_job_keeps_its_newest_previews_only(store: FolderJobStore, tmp_path: Path) -> None:
    job_id = add(store).id
    store.claim()
    work = store.fresh_work_folder(job_id)
    for content in ("older", "newer"):
        (work / "preview").write_text(content)
        preview = store.keep(job_id, "views/rgb_0.png", work / "preview")
        store.change(job_id, lambda job, preview=preview: job.previewed(preview))
    (work / "half a result").touch()
    store.change(job_id, lambda job: job.failed(ErrorInfo("error", "why")))
    left = [path.name for path in (tmp_path / "store").rglob("*") if path.is_file()]
    assert left == [preview.sha256]


def test_the_oldest_ended_jobs_are_forgotten_with_their_files(store: FolderJobStore, tmp_path: Path) -> None:
    jobs = []
    for number in range(3):
        jobs.append(add(store, key=str(number)))
        finish(store)
    with pytest.raises(JobNotFoundError):
        store.get(jobs[0].id)
    assert {path.name for path in (tmp_path / "store").iterdir()} == {job.id for job in jobs[1:]}
    assert add(store, key="0").id == jobs[0].id  # its key is free again


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write"):
        FolderJobStore(tmp_path / "file" / "store", queue_limit=1, keep_finished=1)


def test_an_image_that_does_not_fit_on_the_disk_makes_no_job(
    store: FolderJobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("backend.jobs.folder_store.os.fsync", full)
    with pytest.raises(OutputError, match="No space left"):
        add(store)
    assert store.claim() is None
    assert list((tmp_path / "store").iterdir()) == []
