"""The thread that feeds jobs to one worker process, follows them, and replaces the worker when it dies."""

from __future__ import annotations

import logging
import multiprocessing
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import wait

from backend.errors import BozzettoError, OutOfMemoryError, WorkerDiedError
from backend.jobs.job import Job
from backend.jobs.messages import (
    Advanced,
    CancelTask,
    Failed,
    FromWorker,
    Previewed,
    Ready,
    Stopped,
    Succeeded,
    Task,
)
from backend.jobs.runner import Runner
from backend.jobs.store import JobStore
from backend.jobs.worker_process import WorkerProcess
from backend.protocol import ErrorInfo

logger = logging.getLogger(__name__)

MAX_FAILED_STARTS = 3
"""After so many workers in a row that died before they were ready, waiting jobs fail."""


@dataclass
class _Current:
    """The job in the worker's hands."""

    job_id: str
    kill_at: float | None = None
    """Monotonic time at which patience with a cancelled job ends."""


class Supervisor:
    """Owns the worker process. `wake` after every change that it should look at: a new job, a cancel."""

    def __init__(
        self, store: JobStore, runner: Runner, *, attempts: int, cancel_grace_seconds: float
    ) -> None:
        self._store = store
        self._runner = runner
        self._attempts = attempts
        self._cancel_grace_seconds = cancel_grace_seconds
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)
        self._stopping = threading.Event()
        self._wake_receiver, self._wake_sender = multiprocessing.Pipe(duplex=False)
        self._worker: WorkerProcess | None = None
        self._current: _Current | None = None
        self._device = ""

    @property
    def ready(self) -> bool:
        """Whether a worker has loaded its models."""
        return bool(self._device)

    @property
    def device(self) -> str:
        """What the worker computes on; empty while it loads."""
        return self._device

    @property
    def worker_pid(self) -> int | None:
        return self._worker.pid if self._worker else None

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the worker, whatever it does, and the thread."""
        self._stopping.set()
        self.wake()
        self._thread.join()

    def wake(self) -> None:
        self._wake_sender.send_bytes(b"!")

    def _run(self) -> None:
        failed_starts = 0
        while not self._stopping.is_set():
            self._worker = WorkerProcess(self._runner)
            try:
                self._attend(self._worker)
            except (EOFError, ConnectionError):
                failed_starts = 0 if self.ready else failed_starts + 1
                self._worker_died(self._worker.describe_exit())
            except Exception as error:  # a bug here must not leave the job running for ever
                logger.exception("supervisor")
                if self._current is not None:
                    self._fail(BozzettoError(f"Something broke inside the backend ({error!r}). See its log."))
            finally:
                self._device = ""
                self._worker.kill()
            if failed_starts >= MAX_FAILED_STARTS and not self._stopping.is_set():
                self._fail_waiting_jobs()
                wait([self._wake_receiver])

    def _attend(self, worker: WorkerProcess) -> None:
        """Serve one worker until it has to be replaced. EOFError or ConnectionError: it died."""
        while not self._stopping.is_set():
            while self._current is None and self.ready and (job := self._store.claim()):
                self._hand_over(job, worker)
            if self._current is not None and not self._relay_cancel(self._current, worker):
                return
            for source in wait([worker.connection, self._wake_receiver], self._patience()):
                if source is self._wake_receiver:
                    self._wake_receiver.recv_bytes()
                elif not self._hear(worker.receive()):
                    return

    def _hand_over(self, job: Job, worker: WorkerProcess) -> None:
        self._current = _Current(job.id)
        try:
            folder = self._store.fresh_work_folder(job.id)
        except BozzettoError as error:
            self._fail(error)
            return
        worker.send(Task(job.id, job.request, self._store.image_path(job.id), folder))

    def _relay_cancel(self, current: _Current, worker: WorkerProcess) -> bool:
        """Pass a cancel on, once. False when the worker did not heed it in time and must go."""
        if current.kill_at is None:
            if self._store.get(current.job_id).cancel_requested:
                current.kill_at = time.monotonic() + self._cancel_grace_seconds
                worker.send(CancelTask(current.job_id))
        elif time.monotonic() >= current.kill_at:
            self._end(Job.cancelled)
            return False
        return True

    def _patience(self) -> float | None:
        """Seconds until something must happen without being told."""
        if self._current is None or self._current.kill_at is None:
            return None
        return max(self._current.kill_at - time.monotonic(), 0.0)

    def _hear(self, message: FromWorker) -> bool:
        """Act on one message. False when the worker must be replaced."""
        try:
            match message:
                case Ready(device):
                    self._device = device
                case Advanced(stage, fraction, variant):
                    self._change(lambda job: job.advanced(stage, fraction, variant))
                case Previewed(name, file):
                    preview = self._store.keep(self._current_id, name, file)
                    self._change(lambda job: job.previewed(preview))
                case Succeeded(files):
                    results = tuple(self._store.keep(self._current_id, name, files[name]) for name in files)
                    self._end(lambda job: job.succeeded(results))
                case Stopped():
                    self._end(Job.cancelled)
                case Failed(code, text):
                    self._end(lambda job: job.failed(ErrorInfo(code, text)))
                    # What a failed allocation leaves behind in the process is anybody's guess.
                    return code != OutOfMemoryError.code
        except BozzettoError as error:  # the disk is full: the worker would go on for nothing
            self._fail(error)
            return False
        return True

    @property
    def _current_id(self) -> str:
        if self._current is None:
            raise RuntimeError("the worker speaks of a job that it was not given")
        return self._current.job_id

    def _change(self, change: Callable[[Job], Job]) -> None:
        self._store.change(self._current_id, change)

    def _end(self, change: Callable[[Job], Job]) -> None:
        job_id = self._current_id
        self._current = None
        self._store.change(job_id, change)

    def _fail(self, error: BozzettoError) -> None:
        self._end(lambda job: job.failed(ErrorInfo(error.code, str(error))))

    def _worker_died(self, reason: str) -> None:
        logger.warning("the worker process ended (%s)", reason)
        if self._current is None:
            return
        job = self._store.get(self._current.job_id)
        if job.cancel_requested:
            self._end(Job.cancelled)
        elif job.attempts < self._attempts:
            self._end(Job.requeued)
        else:
            times = "" if job.attempts == 1 else f" {job.attempts} times"
            self._fail(
                WorkerDiedError(
                    f"The worker process ended{times} ({reason}) during the stage {job.stage or 'start'!r}. "
                    "Mostly this means that the machine ran out of memory: close other programs or lower the "
                    "texture size, then generate again. The backend goes on with the next job."
                )
            )

    def _fail_waiting_jobs(self) -> None:
        error = WorkerDiedError(
            f"The worker process ended {MAX_FAILED_STARTS} times while loading; the backend's log says why. "
            "Check the installation with `python -m backend packs verify`, then generate again."
        )
        while job := self._store.claim():
            self._current = _Current(job.id)
            self._fail(error)
