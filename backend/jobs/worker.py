"""The worker process: one at a time, spawned by the supervisor, kept warm between jobs."""

from __future__ import annotations

import logging
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from backend.errors import BozzettoError, Cancelled, PackError
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
    ToWorker,
)
from backend.jobs.runner import Runner
from backend.protocol import JobRequest

if TYPE_CHECKING:  # the server process, which imports this file to spawn it, has no use for numpy
    import numpy as np
    from jaxtyping import UInt8

logger = logging.getLogger(__name__)

SMALLEST_STEP = 0.01
"""Progress within a stage is told in steps of at least this fraction."""


def worker_main(connection: Connection, runner: Runner) -> None:
    """Serve tasks until the supervisor hangs up. Never returns before that."""
    # Ctrl-C in a terminal reaches the whole group: the server decides, the worker obeys.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The server's standard output carries its one line for the parent; libraries may print to standard error.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="worker: %(message)s")
    inbox = Inbox(connection)
    inbox.start()
    device = runner.prepare()
    try:
        runner.load(JobRequest.pack)
    except PackError as error:
        # Jobs that ask for this pack fail with the same text; other packs may still work.
        logger.warning("%s", error)
    connection.send(Ready(device))
    while True:
        task = inbox.next_task()
        connection.send(run_task(task, runner, connection.send, partial(inbox.is_cancelled, task.job_id)))


def run_task(
    task: Task, runner: Runner, send: Callable[[FromWorker], None], is_cancelled: Callable[[], bool]
) -> Succeeded | Stopped | Failed:
    """One job from image to files; every failure becomes a message for the user."""
    progress = PipeProgress(task.folder, send, is_cancelled)
    results = task.folder / "results"
    results.mkdir()
    try:
        files = runner.run(task.image.read_bytes(), task.request, results, progress)
        return Succeeded({file.relative_to(results).as_posix(): file for file in files})
    except Cancelled:
        return Stopped()
    except BozzettoError as error:
        return Failed(error.code, str(error))
    except Exception as error:
        logger.exception("job %s", task.job_id)
        return Failed(
            BozzettoError.code,
            f"Something broke inside Bozzetto ({type(error).__name__}: {error}). "
            "The backend's log has the details; please report it with the image.",
        )


class PipeProgress:
    """The pipeline's Progress inside the worker: tells the supervisor, and stops a cancelled job."""

    def __init__(
        self, folder: Path, send: Callable[[FromWorker], None], is_cancelled: Callable[[], bool]
    ) -> None:
        self._folder = folder
        self._send = send
        self._is_cancelled = is_cancelled
        self._last: Advanced | None = None
        self._previews = 0
        self._variant = 0

    def advance(self, stage: str, fraction: float) -> None:
        self._stop_if_cancelled()
        last = self._last
        small = last is not None and last.stage == stage and fraction - last.fraction < SMALLEST_STEP
        if small and fraction < 1.0:
            return
        self._last = Advanced(stage, fraction, self._variant)
        self._send(self._last)

    def preview(self, name: str, image: UInt8[np.ndarray, "h w c"]) -> None:
        self._stop_if_cancelled()
        self._previews += 1
        file = self._folder / f"preview_{self._previews}.png"
        Image.fromarray(image).save(file)
        self._send(Previewed(name, file))

    def begin_variant(self, index: int, count: int) -> None:
        self._stop_if_cancelled()
        self._variant, self._last = index, None

    def _stop_if_cancelled(self) -> None:
        if self._is_cancelled():
            raise Cancelled("The job was cancelled.")


class Inbox(threading.Thread):
    """Reads the pipe while the main thread works, so that a cancel or the server's death is seen at once."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(name="inbox", daemon=True)
        self._connection = connection
        self._tasks: queue.SimpleQueue[Task] = queue.SimpleQueue()
        self._cancelled: set[str] = set()

    def run(self) -> None:
        while True:
            try:
                message: ToWorker = self._connection.recv()
            except (EOFError, ConnectionError):
                # The server is gone. The main thread may be deep in native code, so the process ends here.
                os._exit(0)
            match message:
                case Task():
                    self._tasks.put(message)
                case CancelTask(job_id):
                    self._cancelled.add(job_id)

    def next_task(self) -> Task:
        """Blocks until there is one."""
        return self._tasks.get()

    def is_cancelled(self, job_id: str) -> bool:
        return job_id in self._cancelled
