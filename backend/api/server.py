"""One server process: socket, job machinery, application, and the watch over its parent."""

from __future__ import annotations

import errno
import ipaddress
import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import uvicorn

from backend.api.app import create_app
from backend.errors import OptionError, OutputError, PortInUseError
from backend.jobs.folder_store import FolderJobStore
from backend.jobs.runner import Runner
from backend.jobs.service import JobService
from backend.jobs.supervisor import Supervisor
from backend.protocol import READY_PREFIX
from backend.settings import ServerSettings

logger = logging.getLogger(__name__)

PARENT_CHECK_SECONDS = 1.0
SHUTDOWN_SECONDS = 2
"""How long open requests may take to end when the server stops."""


def serve(settings: ServerSettings, token: str, runner: Runner) -> None:
    """Serve until SIGTERM, Ctrl-C or the parent's end.

    Raises:
        OptionError: the host is not loopback, or the parent is not running.
        PortInUseError: the port is taken.
        OutputError: the data folder cannot be written.
    """
    # uvicorn ends its requests on SIGTERM, then raises it again, which must not cut short the clearing up.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    listener = listen(settings.host, settings.port)
    with listener, session_folder(settings.data_dir) as folder:
        store = FolderJobStore(folder, queue_limit=settings.queue_limit, keep_finished=settings.keep_finished)
        supervisor = Supervisor(
            store,
            runner,
            attempts=settings.attempts,
            cancel_grace_seconds=settings.cancel_grace_seconds,
        )
        app = create_app(JobService(store, supervisor), token)
        server = AnnouncingServer(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=SHUTDOWN_SECONDS,
            )
        )
        if settings.parent_pid is not None:
            _end_with_parent(settings.parent_pid, server)
        supervisor.start()
        try:
            server.run(sockets=[listener])
        finally:
            supervisor.stop()


def listen(host: str, port: int) -> socket.socket:
    """A listening socket on a loopback address.

    Raises:
        OptionError: not a loopback address.
        PortInUseError: the port is taken.
    """
    address = _loopback_address(host)
    if not 0 <= port <= 65535:
        raise OptionError(f"port is {port}: it must be a whole number from 0 to 65535 (0: any free port).")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        return socket.create_server((address, port), family=family)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortInUseError(
                f"Port {port} on {address} is taken by another program. Choose another --port, "
                "or --port 0 for any free one."
            ) from error
        raise OptionError(
            f"Cannot listen on {address} port {port} ({error.strerror}). Choose another --host or --port."
        ) from error


class AnnouncingServer(uvicorn.Server):
    """Prints the ready line once connections are accepted."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if sockets and not self.should_exit:
            print(f"{READY_PREFIX}{sockets[0].getsockname()[1]}", flush=True)


def _loopback_address(host: str) -> str:
    address = "127.0.0.1" if host == "localhost" else host
    try:
        loopback = ipaddress.ip_address(address).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise OptionError(
            f"host is {host!r}: this backend listens on loopback only (127.0.0.1, ::1 or localhost), because "
            "it speaks plain HTTP. Reach it from another machine through an SSH tunnel."
        )
    return address


@contextmanager
def session_folder(data_dir: Path | None) -> Iterator[Path]:
    """A folder for this server's jobs, which goes with it; what killed servers left there is removed."""
    try:
        if data_dir is not None:
            data_dir.mkdir(parents=True, exist_ok=True)
            for left in data_dir.glob("session-*-*"):
                if not psutil.pid_exists(int(left.name.split("-")[1])):
                    shutil.rmtree(left, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix=f"session-{os.getpid()}-", dir=data_dir))
    except OSError as error:
        raise OutputError(
            f"The data folder {data_dir} cannot be written ({error.strerror}). Choose another --data-dir."
        ) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _end_with_parent(pid: int, server: uvicorn.Server) -> None:
    """Stop the server within seconds of the process `pid`'s end.

    Raises:
        OptionError: there is no such process.
    """
    try:
        parent = psutil.Process(pid)
    except (psutil.NoSuchProcess, ValueError) as error:
        raise OptionError(f"parent-pid is {pid}: no such process is running.") from error

    def watch() -> None:
        while _is_alive(parent):
            time.sleep(PARENT_CHECK_SECONDS)
        logger.info("the parent process %d has ended, so does the backend", pid)
        server.should_exit = True

    threading.Thread(target=watch, name="parent watch", daemon=True).start()


def _is_alive(process: psutil.Process) -> bool:
    """False also for a zombie and for another process that took over the number."""
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False
