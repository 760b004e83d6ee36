"""Real worker processes. Each test ends with a machine that still works."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable

import psutil
import pytest
from PIL import Image

from backend.errors import OutputError, QueueFullError
from backend.jobs.job import Job
from backend.protocol import CANCELLED, FAILED, QUEUED, RUNNING, STAGES, SUCCEEDED
from tests.backend.jobs.fakes import ScriptedRunner
from tests.backend.jobs.running import PATIENCE_SECONDS, RunningJobs


def is_running(job: object) -> bool:
    return job.state == RUNNING and job.stage is not None


def test_a_job_runs_through_all_stages_to_hashed_results(warm: RunningJobs) -> None:
    job_id = warm.submit(b"succeed", name="chair", seed=7)
    seen: list[Job] = []
    told_of_the_end = threading.Event()

    def hear() -> None:
        seen.append(warm.store.get(job_id))
        if seen[-1].ended:
            told_of_the_end.set()

    with warm.store.subscribe(job_id, hear):
        status = warm.finish(job_id)
        # The store holds the end a moment before it tells its subscribers.
        assert told_of_the_end.wait(PATIENCE_SECONDS)
    assert (status.state, status.fraction) == (SUCCEEDED, pytest.approx(1.0))
    assert [artifact.name for artifact in status.artifacts] == ["asset.glb", "views/rgb_0.png"]
    _, path = warm.service.artifact(job_id, "asset.glb")
    assert path.read_bytes() == b"asset.glb of chair, seed 7"
    sequences = [job.sequence for job in seen]
    assert sequences == list(range(sequences[0], status.sequence + 1))
    assert set(STAGES) >= {job.stage for job in seen if job.stage}


def test_previews_arrive_before_the_end(warm: RunningJobs) -> None:
    job_id = warm.submit(b"preview, steps")
    job = warm.wait(job_id, lambda job: bool(job.artifacts))
    assert [artifact.name for artifact in job.artifacts] == ["views/rgb_0.png"]
    _, path = warm.service.artifact(job_id, "views/rgb_0.png")
    with Image.open(path) as image:
        assert image.size == (4, 4)
    warm.service.cancel(job_id)
    assert warm.finish(job_id).artifacts == list(job.artifacts)


@pytest.mark.parametrize(("script", "code"), [(b"bad image", "bad_image"), (b"bug", "error")])
def test_a_failing_job_says_why_and_the_next_one_runs(warm: RunningJobs, script: bytes, code: str) -> None:
    worker = warm.supervisor.worker_pid
    status = warm.finish(warm.submit(script))
    assert (status.state, status.error.code) == (FAILED, code)
    assert warm.finish(warm.submit(b"succeed")).state == SUCCEEDED
    assert warm.supervisor.worker_pid == worker  # still warm


def test_cancel_of_a_queued_job_is_instant_and_it_never_runs(warm: RunningJobs) -> None:
    running = warm.submit(b"steps")
    queued = warm.submit(b"succeed")
    warm.wait(running, is_running)
    start = time.monotonic()
    assert warm.service.cancel(queued).state == CANCELLED
    assert time.monotonic() - start < 0.1
    warm.service.cancel(running)
    warm.finish(running)
    assert warm.store.get(queued).attempts == 0


def test_cancel_of_a_running_job_takes_effect_at_the_next_step(warm: RunningJobs) -> None:
    worker = warm.supervisor.worker_pid
    job_id = warm.submit(b"steps")
    other = warm.submit(b"succeed")
    warm.wait(job_id, is_running)
    start = time.monotonic()
    warm.service.cancel(job_id)
    assert warm.finish(job_id).state == CANCELLED
    assert time.monotonic() - start < 2.0
    assert warm.finish(other).state == SUCCEEDED
    assert warm.supervisor.worker_pid == worker


def test_cancel_after_the_end_changes_nothing(warm: RunningJobs) -> None:
    job_id = warm.submit(b"succeed")
    before = warm.finish(job_id)
    assert warm.service.cancel(job_id) == before


def test_memory_trouble_costs_the_worker_but_not_the_service(warm: RunningJobs) -> None:
    worker = warm.supervisor.worker_pid
    status = warm.finish(warm.submit(b"out of memory"))
    assert (status.state, status.error.code) == (FAILED, "out_of_memory")
    assert warm.finish(warm.submit(b"succeed")).state == SUCCEEDED
    assert warm.supervisor.worker_pid != worker


def test_a_deaf_job_is_killed_after_the_grace(make_jobs: Callable[..., RunningJobs]) -> None:
    jobs = make_jobs(cancel_grace_seconds=0.3)
    deaf, other = jobs.submit(b"deaf"), jobs.submit(b"succeed")
    jobs.wait(deaf, is_running)
    worker = jobs.supervisor.worker_pid
    start = time.monotonic()
    jobs.service.cancel(deaf)
    assert jobs.finish(deaf).state == CANCELLED
    assert 0.3 <= time.monotonic() - start < 5.0
    assert jobs.finish(other).state == SUCCEEDED
    assert not psutil.pid_exists(worker)


def test_a_worker_killed_in_mid_job_is_replaced_and_the_job_tried_again(
    make_jobs: Callable[..., RunningJobs],
) -> None:
    jobs = make_jobs()
    job_id = jobs.submit(b"die once")
    assert jobs.finish(job_id).state == SUCCEEDED
    assert jobs.store.get(job_id).attempts == 2


def test_a_job_that_kills_each_worker_fails_and_the_next_one_runs(
    make_jobs: Callable[..., RunningJobs],
) -> None:
    jobs = make_jobs(attempts=2)
    poison, other = jobs.submit(b"die"), jobs.submit(b"succeed")
    status = jobs.finish(poison)
    assert (status.state, status.error.code) == (FAILED, "worker_died")
    assert "2 times (signal SIGKILL) during the stage 'field'" in status.error.message
    assert "generate again" in status.error.message
    assert status.artifacts == []
    assert jobs.finish(other).state == SUCCEEDED


def test_a_worker_killed_from_outside_while_it_waits_is_replaced(
    make_jobs: Callable[..., RunningJobs],
) -> None:
    jobs = make_jobs()
    jobs.finish(jobs.submit(b"succeed"))
    os.kill(jobs.supervisor.worker_pid, signal.SIGKILL)
    assert jobs.finish(jobs.submit(b"succeed")).state == SUCCEEDED


def test_workers_that_never_get_ready_fail_the_waiting_jobs(
    make_jobs: Callable[..., RunningJobs], tmp_path: object
) -> None:
    jobs = make_jobs(ScriptedRunner(tmp_path, dies_in_prepare=True))
    status = jobs.finish(jobs.submit(b"succeed"))
    assert (status.state, status.error.code) == (FAILED, "worker_died")
    assert "while loading" in status.error.message
    assert not jobs.supervisor.ready
    assert jobs.finish(jobs.submit(b"succeed")).state == FAILED  # a new job is a new try


@pytest.mark.parametrize("method", ["fresh_work_folder", "keep"])
def test_a_full_disk_fails_the_job_and_the_next_one_runs(
    warm: RunningJobs, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    def full(*arguments: object) -> None:
        raise OutputError("Free some space.")

    with monkeypatch.context() as patch:
        patch.setattr(warm.store, method, full)
        status = warm.finish(warm.submit(b"succeed"))
    assert (status.state, status.error.code) == (FAILED, "output_not_writable")
    assert warm.finish(warm.submit(b"succeed")).state == SUCCEEDED


def test_a_bug_in_the_supervisor_fails_the_job_and_the_next_one_runs(
    warm: RunningJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(job_id: str) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(warm.store, "image_path", broken)
        status = warm.finish(warm.submit(b"succeed"))
    assert (status.state, status.error.code) == (FAILED, "error")
    assert warm.finish(warm.submit(b"succeed")).state == SUCCEEDED


def test_the_queue_has_a_limit(make_jobs: Callable[..., RunningJobs]) -> None:
    jobs = make_jobs(queue_limit=1)
    jobs.wait(running := jobs.submit(b"steps"), is_running)
    queued = jobs.submit(b"succeed")
    with pytest.raises(QueueFullError):
        jobs.submit(b"succeed")
    assert jobs.store.get(queued).state == QUEUED
    jobs.service.cancel(running)
    assert jobs.finish(queued).state == SUCCEEDED


def test_stopping_ends_the_worker_in_mid_job(make_jobs: Callable[..., RunningJobs]) -> None:
    jobs = make_jobs()
    jobs.wait(jobs.submit(b"deaf"), is_running)
    worker = jobs.supervisor.worker_pid
    start = time.monotonic()
    jobs.supervisor.stop()
    assert time.monotonic() - start < 2.0
    assert not psutil.pid_exists(worker)
