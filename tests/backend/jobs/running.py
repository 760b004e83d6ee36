"""Real job machinery over a scripted runner, and patient looks at it."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from backend.jobs.folder_store import FolderJobStore
from backend.jobs.job import Job
from backend.jobs.service import JobService
from backend.jobs.supervisor import Supervisor
from backend.packs.manifest import write_manifest
from backend.protocol import JobRequest, JobStatus
from tests.backend.jobs.fakes import ScriptedRunner

PATIENCE_SECONDS = 20.0


@dataclass(frozen=True)
class RunningJobs:
    store: FolderJobStore
    supervisor: Supervisor
    service: JobService

    def submit(self, script: bytes, **options: object) -> str:
        """The job id of a job that follows `script`."""
        request = JobRequest(image=base64.b64encode(script).decode(), **options)
        return self.service.submit(request, idempotency_key=None).id

    def wait(self, job_id: str, wanted: Callable[[Job], bool]) -> Job:
        """The job as soon as it is as wanted."""
        changed = threading.Event()
        with self.store.subscribe(job_id, changed.set):
            while not wanted(job := self.store.get(job_id)):
                assert changed.wait(PATIENCE_SECONDS), f"nothing happened to {job}"
                changed.clear()
        return job

    def finish(self, job_id: str) -> JobStatus:
        self.wait(job_id, lambda job: job.ended)
        return self.service.status(job_id)


@contextmanager
def running_jobs(
    folder: Path,
    runner: ScriptedRunner,
    *,
    queue_limit: int = 8,
    keep_finished: int = 8,
    attempts: int = 2,
    cancel_grace_seconds: float = 5.0,
) -> Iterator[RunningJobs]:
    store = FolderJobStore(folder / "store", queue_limit=queue_limit, keep_finished=keep_finished)
    supervisor = Supervisor(store, runner, attempts=attempts, cancel_grace_seconds=cancel_grace_seconds)
    service = JobService(store, supervisor, make_packs(folder / "packs"))
    supervisor.start()
    try:
        yield RunningJobs(store, supervisor, service)
    finally:
        supervisor.stop()


def make_packs(folder: Path) -> Path:
    """A packs folder with a 'nano' of one small file."""
    nano = folder / "nano"
    nano.mkdir(parents=True, exist_ok=True)
    (nano / "config.json").write_text("{}")
    write_manifest(nano, licence="CC0-1.0", summary="for tests")
    return folder
