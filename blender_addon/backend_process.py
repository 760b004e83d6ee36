"""The local backend as a process of its own. Standard library only: build.py uses it too."""

from __future__ import annotations

import atexit
import os
import queue
import secrets
import subprocess
import threading
from pathlib import Path
from typing import IO

from .errors import StartError
from .protocol import READY_PREFIX

START_SECONDS = 120.0
"""The first start compiles Python files and loads weights from a cold disk."""
STOP_SECONDS = 5.0


class LocalBackend:
    """`python -m backend serve` on a free loopback port, with a token of its own.

    It ends with `stop`, with this process' regular exit, and (through --parent-pid) with its death.
    """

    def __init__(self, python: Path, source: Path, data: Path) -> None:
        """
        Args:
            python: the interpreter of the backend's environment.
            source: the folder that contains `backend/`.
            data: where the backend keeps jobs; its log and token go there too.
        """
        self._python, self._source, self._data = python, source, data
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()
        self._address = ""
        self.token = ""

    @property
    def log_file(self) -> Path:
        return self._data / "backend.log"

    @property
    def token_file(self) -> Path:
        return self._data / "token"

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> str:
        """The backend's address; it is started if it does not run. Blocks for seconds: call it from a thread.

        Raises:
            StartError: no environment, or the backend ended or stayed silent instead of getting ready.
        """
        with self._lock:
            if not self.running:
                self._launch()
            return self._address

    def stop(self) -> None:
        """End the process, gently first, and remove the token. Also ends a `start` that is still waiting."""
        atexit.unregister(self.stop)
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self.token_file.unlink(missing_ok=True)

    def _launch(self) -> None:
        if not self._python.exists():
            raise StartError(f"The backend is not set up: there is no {self._python}.")
        if not (self._source / "backend" / "__main__.py").is_file():
            raise StartError(f"{self._source} is not Bozzetto's folder: there is no backend in it.")
        try:
            self._data.mkdir(parents=True, exist_ok=True)
            self.token = _write_token(self.token_file)
            log = self.log_file.open("w", encoding="utf-8")
        except OSError as error:
            raise StartError(f"{error.filename} cannot be written ({error.strerror}).") from error
        with log:
            self._process = subprocess.Popen(
                [
                    *(str(self._python), "-m", "backend", "serve", "--port", "0"),
                    *("--token-file", str(self.token_file), "--data-dir", str(self._data)),
                    *("--parent-pid", str(os.getpid())),
                ],
                cwd=self._source,
                env={k: v for k, v in os.environ.items() if k not in ("PYTHONHOME", "PYTHONPATH")},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        atexit.register(self.stop)
        self._address = f"http://127.0.0.1:{self._await_port(self._process)}"

    def _await_port(self, process: subprocess.Popen[str]) -> int:
        assert process.stdout is not None
        answers: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        threading.Thread(
            target=_read_output, args=(process.stdout, answers), name="bozzetto-backend-output", daemon=True
        ).start()
        try:
            port = answers.get(timeout=START_SECONDS)
        except queue.Empty:
            process.kill()
            raise StartError(
                f"The backend was not ready after {START_SECONDS:.0f} s. Its log is {self.log_file}."
            ) from None
        if port is None:
            code = process.wait()
            raise StartError(f"The backend ended with code {code} while starting.{self._last_words()}")
        return port

    def _last_words(self) -> str:
        lines = self.log_file.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return f" Its last line: {lines[-1][:300]} (all of it in {self.log_file})" if lines else ""


def _write_token(path: Path) -> str:
    """A new random token in a file that only this user may read, from its first moment on."""
    token = secrets.token_urlsafe(32)
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(token)
    return token


def _read_output(stdout: IO[str], answers: queue.SimpleQueue[int | None]) -> None:
    """Answer with the port, or None at the output's end; keep reading so that the pipe never fills."""
    with stdout:
        for line in stdout:
            if line.startswith(READY_PREFIX):
                answers.put(int(line.removeprefix(READY_PREFIX)))
    answers.put(None)
