"""The supervisor's handle on one worker process."""

from __future__ import annotations

import multiprocessing
import signal
from multiprocessing.connection import Connection

from backend.jobs.messages import CancelTask, FromWorker, Task
from backend.jobs.runner import Runner
from backend.jobs.worker import worker_main


class WorkerProcess:
    """A spawned process and the pipe to it. Reading or writing a dead worker's pipe raises EOFError or
    ConnectionError."""

    def __init__(self, runner: Runner) -> None:
        # spawn: a fork would copy the server's threads' locks, and CUDA does not survive one.
        context = multiprocessing.get_context("spawn")
        self.connection: Connection
        self.connection, theirs = context.Pipe()
        self._process = context.Process(
            target=worker_main, args=(theirs, runner), name="bozzetto-worker", daemon=True
        )
        self._process.start()
        theirs.close()  # ours was the last other copy: from now on its death ends the pipe

    @property
    def pid(self) -> int | None:
        return self._process.pid

    def send(self, message: Task | CancelTask) -> None:
        self.connection.send(message)

    def receive(self) -> FromWorker:
        message: FromWorker = self.connection.recv()
        return message

    def kill(self) -> None:
        """End the process now, wherever it is, and close the pipe."""
        self._process.kill()
        self._process.join()
        self.connection.close()

    def describe_exit(self) -> str:
        """Why the process ended: 'signal SIGKILL' or 'exit code 3'. Waits for its end."""
        self._process.join()
        code = self._process.exitcode
        if code is not None and code < 0:
            return f"signal {signal.Signals(-code).name}"
        return f"exit code {code}"
