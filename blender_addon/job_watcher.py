"""Following one job from submission to its files: a generator, and a thread that hands it on. No bpy."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from . import artifacts
from .backend_client import BackendClient
from .errors import AddonError, BackendError, Cancelled, ChangedError, ImageError, UnreachableError
from .protocol import CANCELLED, MAX_IMAGE_BYTES, SUCCEEDED, TERMINAL_STATES, JobRequest, JobStatus

POLL_SECONDS = 10.0
"""How long one long-poll may wait for news."""
RETRY_DELAYS = (0.2, 0.5, 1.0, 2.0)
"""Pauses between attempts to reach a backend that was there a moment ago."""


@dataclass(frozen=True)
class Progressed:
    status: JobStatus


@dataclass(frozen=True)
class PreviewArrived:
    name: str
    path: Path


@dataclass(frozen=True)
class Finished:
    """All files of the job lie verified in `folder`, under their artifact names."""

    status: JobStatus
    folder: Path
    seed: int
    """With which the result was made: of several variants, the best one's."""


@dataclass(frozen=True)
class Failed:
    error: AddonError


_Answer = TypeVar("_Answer")
Event = Progressed | PreviewArrived | Finished | Failed


def encode_image(data: bytes) -> str:
    """A JobRequest's `image`."""
    return base64.b64encode(data).decode("ascii")


def read_image(path: Path) -> bytes:
    """The bytes of an image file. Raises ImageError when there are none."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ImageError(f"{path} cannot be read ({error.strerror}). Choose another image.") from error
    if not data:
        raise ImageError(f"{path} is empty. Choose another image.")
    if len(data) > MAX_IMAGE_BYTES:
        raise ImageError(
            f"{path.name} has {len(data) / 2**20:.0f} MB; at most {MAX_IMAGE_BYTES / 2**20:.0f} MB can be "
            "sent. Save it smaller, or as JPEG."
        )
    return data


def follow_job(
    client: BackendClient, request: JobRequest, folder: Path, cancelled: threading.Event
) -> Iterator[Progressed | PreviewArrived | Finished]:
    """Submit a job and yield what happens to it, `Finished` last.

    Args:
        folder: where previews and results are written.
        cancelled: set by whoever wants the job to stop.

    Raises:
        Cancelled: the job was cancelled.
        BackendError: the job failed, or was refused.
        AddonError: the backend cannot be reached or sent something unusable.
    """
    status = client.submit(request)
    shown: set[str] = set()
    asked_to_stop = False
    while True:
        yield Progressed(status)
        yield from _new_previews(client, status, folder, shown)
        if status.state in TERMINAL_STATES:
            break
        if cancelled.is_set() and not asked_to_stop:
            asked_to_stop = True
            status = client.cancel(status.id)
        else:
            status = _persistently(partial(client.status, status.id, status.sequence, POLL_SECONDS))
    if status.state == CANCELLED:
        raise Cancelled("Cancelled.")
    if status.state != SUCCEEDED:
        raise BackendError(*_reason(status))
    for artifact in status.artifacts:
        if artifacts.own_name(artifact.name) in artifacts.ALL:
            _persistently(partial(client.download, status.id, artifact, folder))
    yield Finished(status, folder, artifacts.seed_of_result(folder, request))


def _reason(status: JobStatus) -> tuple[str, str]:
    if status.error is None:
        return "error", f"The backend says no more than that the job is {status.state}."
    return status.error.code, status.error.message


def _new_previews(
    client: BackendClient, status: JobStatus, folder: Path, shown: set[str]
) -> Iterator[PreviewArrived]:
    for artifact in status.artifacts:
        if artifact.name not in artifacts.PREVIEWS or artifact.sha256 in shown:
            continue
        try:
            path = client.download(status.id, artifact, folder)
        except (ChangedError, UnreachableError, BackendError):
            if status.state in TERMINAL_STATES:
                raise
            # A running job may have drawn it anew meanwhile, and the next status lists that one. Whatever
            # else is wrong is met by the next status request.
            continue
        shown.add(artifact.sha256)
        yield PreviewArrived(artifact.name, path)


def _persistently(call: Callable[[], _Answer]) -> _Answer:
    """Call again after each cut connection; the last attempt's error counts."""
    for delay in RETRY_DELAYS:
        try:
            return call()
        except UnreachableError:
            time.sleep(delay)
    return call()


class JobWatcher:
    """A thread that follows one job and hands its events on; nothing here waits on the calling thread."""

    def __init__(
        self,
        connect: Callable[[], BackendClient],
        image: bytes | Path,
        request: JobRequest,
        folder: Path,
        deliver: Callable[[Event], None],
    ) -> None:
        """
        Args:
            connect: makes the client, starting the backend if need be; called on the thread.
            image: the reference image's bytes, or its file.
            request: all the rest; its `image` is filled in on the thread.
            deliver: takes an event from the thread, for example a queue's `put`.
        """
        self._connect, self._image, self._request, self._folder = connect, image, request, folder
        self._deliver = deliver
        self._cancelled = threading.Event()
        self._client: BackendClient | None = None
        self._job_id: str | None = None
        self._thread = threading.Thread(target=self._run, name="bozzetto-job", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def cancel(self) -> None:
        """Ask for the job to stop. Returns at once; a `Failed(Cancelled)` follows when it has stopped."""
        if self._cancelled.is_set():
            return
        self._cancelled.set()
        if self._client is not None and self._job_id is not None:
            # The job's own thread may sit in a long-poll for seconds; this one ends that poll.
            threading.Thread(target=self._send_cancel, name="bozzetto-cancel", daemon=True).start()

    def join(self, seconds: float) -> None:
        self._thread.join(seconds)

    def _run(self) -> None:
        try:
            image = read_image(self._image) if isinstance(self._image, Path) else self._image
            self._client = self._connect()
            if self._cancelled.is_set():
                raise Cancelled("Cancelled.")
            request = replace(self._request, image=encode_image(image))
            for event in follow_job(self._client, request, self._folder, self._cancelled):
                if isinstance(event, Progressed):
                    self._job_id = event.status.id
                self._deliver(event)
        except AddonError as error:
            self._deliver(Failed(error))
        except Exception as error:
            # The thread's end is the last place where a programming error can still reach the panel.
            self._deliver(Failed(AddonError(f"Unexpected {type(error).__name__}: {error}")))
            raise

    def _send_cancel(self) -> None:
        assert self._client is not None
        assert self._job_id is not None
        try:
            self._client.cancel(self._job_id)
        except AddonError:
            return  # the job's thread meets the same fault and reports it
