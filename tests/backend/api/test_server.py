"""The server as a process of its own on a real port, and what becomes of it when things end."""

from __future__ import annotations

import base64
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

from backend.api.server import listen, session_folder
from backend.errors import OptionError, OutputError, PortInUseError
from backend.protocol import READY_PREFIX, SUCCEEDED, TOKEN_VARIABLE

ROOT = Path(__file__).parents[3]
PATIENCE_SECONDS = 20.0


@dataclass(frozen=True)
class Server:
    folder: Path
    process: psutil.Popen
    http: httpx.Client
    first_line: str

    def submit(self, script: bytes) -> str:
        answer = self.http.post("/jobs", json={"image": base64.b64encode(script).decode()})
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    def wait(self, job_id: str, wanted: Callable[[dict[str, object]], bool]) -> dict[str, object]:
        since = -1
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            status = self.http.get(f"/jobs/{job_id}", params={"since": since, "wait": 5}).json()
            if wanted(status):
                return status
            since = status["sequence"]
        raise AssertionError(f"nothing happened to {status}")

    def children(self) -> list[psutil.Process]:
        return self.process.children(recursive=True)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for the tests that leave it alive."""
    with running_server(tmp_path_factory.mktemp("server")) as server:
        yield server


@contextmanager
def running_server(folder: Path, *flags: str) -> Iterator[Server]:
    token = secrets.token_hex(16)
    (folder / "token").touch(mode=0o600)
    (folder / "token").write_text(token)
    command = [sys.executable, "-m", "tests.backend.api.scripted_server", str(folder)]
    command += ["--token-file", str(folder / "token"), "--data-dir", str(folder / "data"), *flags]
    with (folder / "log").open("a") as log:
        process = psutil.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        line = process.stdout.readline()
        assert line.startswith(READY_PREFIX), (folder / "log").read_text()
        base = f"http://127.0.0.1:{int(line[len(READY_PREFIX) :])}"
        with httpx.Client(base_url=base, headers={"Authorization": f"Bearer {token}"}, timeout=20) as http:
            yield Server(folder, process, http, line)
    finally:
        if process.is_running():
            process.kill()
        process.wait()
        process.stdout.close()


def gone(processes: list[psutil.Process], seconds: float) -> bool:
    _, alive = psutil.wait_procs(processes, timeout=seconds)
    return not alive


def end(server: Server, kind: signal.Signals) -> None:
    children = server.children()
    server.process.send_signal(kind)
    assert gone([server.process, *children], 5.0)


def test_one_line_on_stdout_then_jobs_over_loopback(server: Server) -> None:
    assert server.first_line == f"{READY_PREFIX}{server.http.base_url.port}\n"
    status = server.wait(server.submit(b"succeed"), lambda status: status["state"] == SUCCEEDED)
    asset = server.http.get(f"/jobs/{status['id']}/artifacts/asset.glb")
    assert asset.content == b"asset.glb of asset, seed 0"
    listening = {c.laddr.ip for c in server.process.net_connections() if c.status == psutil.CONN_LISTEN}
    assert listening == {"127.0.0.1"}


def test_the_token_shows_in_no_command_line_environment_or_file(server: Server) -> None:
    token = (server.folder / "token").read_text()
    server.http.get("/health")
    server.wait(server.submit(b"bug"), lambda status: status["state"] == "failed")
    for process in [server.process, *server.children()]:
        assert token not in " ".join(process.cmdline())
        assert token not in process.environ().values()
    for file in [server.folder / "log", *(server.folder / "data").rglob("*")]:
        assert not file.is_file() or token.encode() not in file.read_bytes()


def test_a_worker_killed_in_mid_job_is_replaced(server: Server) -> None:
    job_id = server.submit(b"steps")
    server.wait(job_id, lambda status: status["stage"] == "views")
    workers = [child for child in server.children() if "spawn_main" in " ".join(child.cmdline())]
    assert len(workers) == 1
    workers[0].kill()
    server.wait(job_id, lambda status: status["state"] == "queued")
    assert server.http.get("/health").status_code == 200
    server.wait(job_id, lambda status: status["stage"] == "views")
    server.http.post(f"/jobs/{job_id}/cancel")
    server.wait(job_id, lambda status: status["state"] == "cancelled")
    server.wait(server.submit(b"succeed"), lambda status: status["state"] == SUCCEEDED)


def test_sigterm_in_mid_job_ends_everything(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        server.wait(server.submit(b"deaf"), lambda status: status["stage"] == "mesh")
        end(server, signal.SIGTERM)
        assert server.process.stdout.read() == ""
    assert list((tmp_path / "data").iterdir()) == []


def test_a_killed_server_leaves_no_worker(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        server.wait(server.submit(b"deaf"), lambda status: status["stage"] == "mesh")
        assert server.children()
        end(server, signal.SIGKILL)
    assert [path.name.split("-")[1] for path in (tmp_path / "data").iterdir()] == [str(server.process.pid)]
    with session_folder(tmp_path / "data") as folder:  # the next server sweeps what the killed one left
        assert list((tmp_path / "data").iterdir()) == [folder]


def test_the_server_ends_with_its_parent(tmp_path: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        with running_server(tmp_path, "--parent-pid", str(parent.pid)) as server:
            server.wait(server.submit(b"deaf"), lambda status: status["stage"] == "mesh")
            processes = [server.process, *server.children()]
            parent.kill()  # not reaped yet: a zombie parent counts as gone
            assert gone(processes, 5.0)
    finally:
        parent.kill()
        parent.wait()
        parent.stdin.close()


def run_backend(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The real command, for ends that come before torch is needed."""
    return subprocess.run(
        [sys.executable, "-m", "backend", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def test_a_taken_port_is_told_with_a_way_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = run_backend("serve", "--port", port, **{TOKEN_VARIABLE: "x" * 32})
    assert (ended.returncode, ended.stdout) == (2, "")
    assert f"Port {port} on 127.0.0.1 is taken" in ended.stderr
    assert "--port 0" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_unwritable_data_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    ended = run_backend("serve", "--data-dir", str(tmp_path / "file" / "d"), **{TOKEN_VARIABLE: "x" * 32})
    assert ended.returncode == 2
    assert OutputError.__name__ not in ended.stderr
    assert "--data-dir" in ended.stderr


def test_listening_names_the_taken_port() -> None:
    with listen("127.0.0.1", 0) as first, pytest.raises(PortInUseError):
        listen("127.0.0.1", first.getsockname()[1])


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.1", "example.com", ""])
def test_only_loopback_is_listened_on(host: str) -> None:
    with pytest.raises(OptionError, match="loopback only"):
        listen(host, 0)


@pytest.mark.parametrize("port", [-1, 70_000])
def test_an_impossible_port_is_told(port: int) -> None:
    with pytest.raises(OptionError, match="0 to 65535"):
        listen("127.0.0.1", port)
