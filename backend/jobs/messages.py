"""What the supervisor and its worker process say to each other over their pipe."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from backend.protocol import JobRequest


@dataclass(frozen=True)
class Task:
    """Supervisor to worker: do this job."""

    job_id: str
    request: JobRequest
    image: Path
    folder: Path
    """Empty, the worker's own until the job ends."""


@dataclass(frozen=True)
class CancelTask:
    """Supervisor to worker: stop that job at the next step."""

    job_id: str


@dataclass(frozen=True)
class Ready:
    """Worker to supervisor: models are loaded, tasks are welcome."""

    device: str


@dataclass(frozen=True)
class Advanced:
    stage: str
    fraction: float
    variant: int = 0


@dataclass(frozen=True)
class Previewed:
    name: str
    """The artifact's name."""
    file: Path


@dataclass(frozen=True)
class Succeeded:
    files: dict[str, Path]
    """Artifact names and the finished files."""


@dataclass(frozen=True)
class Stopped:
    """The job ended because its cancel was noticed."""


@dataclass(frozen=True)
class Failed:
    code: str
    message: str


FromWorker = Ready | Advanced | Previewed | Succeeded | Stopped | Failed
ToWorker = Task | CancelTask
