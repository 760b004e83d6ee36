"""Jobs in memory, their bytes in a folder each. They are forgotten with the server.

FOLDER/<job id>/image             the reference image as it came
                work/             where the current attempt writes
                blobs/<sha256>    artifacts, named by content, so that a name from outside never is a path
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from backend.errors import (
    ArtifactNotFoundError,
    ConflictError,
    JobNotFoundError,
    OutputError,
    QueueFullError,
)
from backend.jobs.job import Job
from backend.packs.manifest import sha256_of
from backend.protocol import QUEUED, ArtifactInfo, JobRequest


class FolderJobStore:
    """A JobStore for one server process."""

    def __init__(self, folder: Path, *, queue_limit: int, keep_finished: int) -> None:
        """Raises OutputError when `folder` cannot be written."""
        self._folder = folder
        self._queue_limit = queue_limit
        self._keep_finished = keep_finished
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}
        self._queue: deque[str] = deque()
        self._ended: deque[str] = deque()
        self._keys: dict[str, str] = {}
        self._callbacks: dict[str, set[Callable[[], object]]] = {}
        with _naming_disk_trouble(folder):
            folder.mkdir(parents=True, exist_ok=True)
            probe = folder / f".{secrets.token_hex(4)}"
            probe.touch()
            probe.unlink()

    def add(
        self, request: JobRequest, image: bytes, *, pack_revision: str, idempotency_key: str | None
    ) -> Job:
        parameters = replace(request, image="")
        job = Job(_job_id(parameters, image, pack_revision, idempotency_key), parameters)
        with self._lock:
            if idempotency_key is not None and idempotency_key in self._keys:
                if self._keys[idempotency_key] != job.id:
                    raise ConflictError(
                        "This Idempotency-Key came before with another request. Use a new key for a new job."
                    )
                return self._jobs[job.id]
            if len(self._queue) >= self._queue_limit:
                raise QueueFullError(
                    f"{self._queue_limit} jobs are waiting already. Try again later, or cancel one."
                )
            self._write_image(job.id, image)
            self._jobs[job.id] = job
            self._queue.append(job.id)
            if idempotency_key is not None:
                self._keys[idempotency_key] = job.id
        return job

    def get(self, job_id: str) -> Job:
        with self._lock:
            return self._find(job_id)

    def queue_position(self, job_id: str) -> int | None:
        with self._lock:
            return self._queue.index(job_id) if self._find(job_id).state == QUEUED else None

    def change(self, job_id: str, change: Callable[[Job], Job]) -> Job:
        with self._lock:
            before = self._find(job_id)
            job = change(before)
            if job == before:
                return before
            job = self._put(before, job)
        self._wake_subscribers(job_id)
        return job

    def claim(self) -> Job | None:
        with self._lock:
            if not self._queue:
                return None
            before = self._jobs[self._queue[0]]
            job = self._put(before, before.started())
        self._wake_subscribers(job.id)
        return job

    @contextmanager
    def subscribe(self, job_id: str, callback: Callable[[], object]) -> Iterator[None]:
        with self._lock:
            self._find(job_id)
            self._callbacks.setdefault(job_id, set()).add(callback)
        try:
            yield
        finally:
            with self._lock:
                callbacks = self._callbacks.get(job_id, set())
                callbacks.discard(callback)
                if not callbacks:
                    self._callbacks.pop(job_id, None)

    def image_path(self, job_id: str) -> Path:
        return self._folder / self.get(job_id).id / "image"

    def fresh_work_folder(self, job_id: str) -> Path:
        work = self._folder / self.get(job_id).id / "work"
        with _naming_disk_trouble(work):
            if work.exists():
                shutil.rmtree(work)
            work.mkdir()
        return work

    def keep(self, job_id: str, name: str, file: Path) -> ArtifactInfo:
        blobs = self._folder / self.get(job_id).id / "blobs"
        with _naming_disk_trouble(blobs):
            blobs.mkdir(exist_ok=True)
            artifact = ArtifactInfo(name, file.stat().st_size, sha256_of(file))
            file.replace(blobs / artifact.sha256)
        return artifact

    def artifact(self, job_id: str, name: str) -> tuple[ArtifactInfo, Path]:
        for artifact in self.get(job_id).artifacts:
            if artifact.name == name:
                return artifact, self._folder / job_id / "blobs" / artifact.sha256
        raise ArtifactNotFoundError(f"The job has no artifact {name[:80]!r}. Its status lists those it has.")

    def _find(self, job_id: str) -> Job:
        try:
            return self._jobs[job_id]
        except KeyError:
            raise JobNotFoundError(
                f"There is no job {job_id[:40]!r}: the backend was started anew, or the job ended long ago. "
                "Generate again."
            ) from None

    def _put(self, before: Job, job: Job) -> Job:
        """Store the next version of a job, move it in or out of the queue. Needs the lock."""
        job = replace(job, sequence=before.sequence + 1)
        self._jobs[job.id] = job
        if before.state == QUEUED != job.state:
            self._queue.remove(job.id)
        elif before.state != QUEUED == job.state:
            self._queue.appendleft(job.id)
        if job.ended and not before.ended:
            self._tidy(job)
        return job

    def _wake_subscribers(self, job_id: str) -> None:
        """Needs the lock free: a callback may ask the store."""
        with self._lock:
            callbacks = tuple(self._callbacks.get(job_id, ()))
        for callback in callbacks:
            callback()

    def _tidy(self, job: Job) -> None:
        """An ended job keeps its listed artifacts and nothing else; too many ended jobs lose the oldest."""
        folder = self._folder / job.id
        shutil.rmtree(folder / "work", ignore_errors=True)
        (folder / "image").unlink(missing_ok=True)
        listed = {artifact.sha256 for artifact in job.artifacts}
        for blob in (folder / "blobs").glob("*"):
            if blob.name not in listed:
                blob.unlink()
        self._ended.append(job.id)
        while len(self._ended) > self._keep_finished:
            oldest = self._ended.popleft()
            del self._jobs[oldest]
            self._keys = {key: job_id for key, job_id in self._keys.items() if job_id != oldest}
            shutil.rmtree(self._folder / oldest, ignore_errors=True)

    def _write_image(self, job_id: str, image: bytes) -> None:
        folder = self._folder / job_id
        try:
            with _naming_disk_trouble(folder):
                folder.mkdir()
                with (folder / "image").open("xb") as stream:
                    stream.write(image)
                    stream.flush()
                    os.fsync(stream.fileno())
        except OutputError:
            shutil.rmtree(folder, ignore_errors=True)
            raise


def _job_id(parameters: JobRequest, image: bytes, pack_revision: str, idempotency_key: str | None) -> str:
    """Hash of all that decides the result, and of the key, or a nonce where there is none."""
    parts = {
        "parameters": asdict(parameters),
        "image": hashlib.sha256(image).hexdigest(),
        "pack_revision": pack_revision,
        "key": idempotency_key,
        "nonce": secrets.token_hex(8) if idempotency_key is None else None,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


@contextmanager
def _naming_disk_trouble(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"The backend cannot write to {path} ({error.strerror or error}). "
            "Free some space there, or start it with another --data-dir."
        ) from error
