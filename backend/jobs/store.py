"""The store's interface: what the server and the supervisor may ask of it, whatever keeps the jobs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from backend.jobs.job import Job
from backend.protocol import ArtifactInfo, JobRequest


class JobStore(Protocol):
    """Jobs, their queue, their images and their artifacts. Every method may be called from any thread.

    Methods that take a job id raise JobNotFoundError for one that is unknown or forgotten, and methods that
    write raise OutputError when the disk does not take it.
    """

    def add(
        self, request: JobRequest, image: bytes, *, pack_revision: str, idempotency_key: str | None
    ) -> Job:
        """Append a job to the queue, or return the one that the same key and the same content made before.

        Raises:
            QueueFullError: the queue is at its limit.
            ConflictError: the key came before with another content.
        """

    def get(self, job_id: str) -> Job:
        """The job as it is now."""

    def queue_position(self, job_id: str) -> int | None:
        """How many queued jobs are ahead; None when the job is not queued."""

    def change(self, job_id: str, change: Callable[[Job], Job]) -> Job:
        """Apply one change and wake the subscribers. The sequence grows by one, unless nothing changed."""

    def claim(self) -> Job | None:
        """Take the first queued job and mark it running; None when the queue is empty."""

    def subscribe(self, job_id: str, callback: Callable[[], object]) -> AbstractContextManager[None]:
        """While the context is open, `callback` is called, in some thread, after each change of the job."""

    def image_path(self, job_id: str) -> Path:
        """The file with the job's image, as it was sent."""

    def fresh_work_folder(self, job_id: str) -> Path:
        """An empty folder for one attempt; what is not kept from it disappears when the job ends."""

    def keep(self, job_id: str, name: str, file: Path) -> ArtifactInfo:
        """Move `file` into the store as the artifact `name`. It is served once the job lists it."""

    def artifact(self, job_id: str, name: str) -> tuple[ArtifactInfo, Path]:
        """A listed artifact and the file with its bytes, which never change.

        Raises:
            ArtifactNotFoundError: the job does not list that name.
        """
