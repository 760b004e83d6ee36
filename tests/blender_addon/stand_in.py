"""A backend that speaks the protocol without any model in it, for faults that the real one must not show."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from tests.blender_addon.tiny_asset import asset_files

TOKEN = "stand-in-token"
STAGES = ("foreground", "views", "normals", "field", "mesh", "textures", "export")


@dataclass
class StandIn:
    """What the next job does. Change it before the job is submitted."""

    files: dict[str, bytes] = field(default_factory=asset_files)
    listed: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Size and sha256 that the list claims, where they are not the files' own."""
    step_seconds: float = 0.02
    """Time of each stage."""
    protocol_version: int = 1
    error: tuple[str, str] | None = None
    """Code and message with which the job fails at its fourth stage."""
    endless: bool = False
    """Artifacts never end."""
    cut: int = 0
    """So many status requests are answered by a closed connection."""
    address: str = ""
    requests: list[dict] = field(default_factory=list)
    """The bodies of the submitted jobs."""
    changed: threading.Condition = field(default_factory=threading.Condition)
    status: dict = field(default_factory=dict)
    cancelled: bool = False

    def update(self, **values: object) -> None:
        with self.changed:
            self.status = {**self.status, **values, "sequence": self.status.get("sequence", 0) + 1}
            self.changed.notify_all()

    def submit(self, body: dict) -> dict:
        self.requests.append(body)
        self.cancelled = False
        self.status = {
            "id": "job-1",
            "sequence": 0,
            "state": "queued",
            "stage": None,
            "stage_fraction": 0.0,
            "fraction": 0.0,
            "queue_position": 0,
            "artifacts": [],
            "error": None,
        }
        threading.Thread(target=self._work, daemon=True).start()
        return self.status

    def listing(self, select: Callable[[str], bool]) -> list[dict]:
        return [
            {"name": name, "size": size, "sha256": digest}
            for name, data in self.files.items()
            if select(name)
            for size, digest in [self.listed.get(name, (len(data), hashlib.sha256(data).hexdigest()))]
        ]

    def _work(self) -> None:
        for index, stage in enumerate(STAGES):
            self.update(state="running", stage=stage, fraction=index / 7, queue_position=None)
            time.sleep(self.step_seconds)
            if self.cancelled:
                return self.update(state="cancelled", artifacts=[])
            if self.error and index == 3:
                code, message = self.error
                return self.update(state="failed", error={"code": code, "message": message}, artifacts=[])
            if stage == "views":
                self.update(artifacts=self.listing(lambda name: name.startswith("views/rgb")))
        return self.update(state="succeeded", fraction=1.0, artifacts=self.listing(lambda name: True))


class _Handler(BaseHTTPRequestHandler):
    stand_in: StandIn

    def log_message(self, *arguments: object) -> None:
        return

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if not self._allowed():
            return None
        if url.path == "/health":
            return self._json(
                {
                    "protocol_version": self.stand_in.protocol_version,
                    "backend_version": "0.1.0",
                    "device": "cpu",
                    "packs": ["nano"],
                    "ready": True,
                }
            )
        if "/artifacts/" in url.path:
            return self._bytes(self.stand_in.files[url.path.partition("/artifacts/")[2]])
        if self.stand_in.cut:
            self.stand_in.cut -= 1
            self.close_connection = True
            return None
        query = parse_qs(url.query)
        since, wait = int(query["since"][0]), float(query["wait"][0])
        with self.stand_in.changed:
            self.stand_in.changed.wait_for(lambda: self.stand_in.status["sequence"] > since, wait)
            return self._json(self.stand_in.status)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not self._allowed():
            return
        if self.path.endswith("/cancel"):
            self.stand_in.cancelled = True
            self._json(self.stand_in.status)
        else:
            self._json(self.stand_in.submit(json.loads(body)))

    def _allowed(self) -> bool:
        if self.headers.get("Authorization") == f"Bearer {TOKEN}":
            return True
        self._json({"error": {"code": "unauthorised", "message": "wrong token"}}, 401)
        return False

    def _json(self, body: object, code: int = 200) -> None:
        data = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _bytes(self, data: bytes) -> None:
        self.send_response(200)
        self.end_headers()
        try:
            self.wfile.write(data)
            while self.stand_in.endless:
                self.wfile.write(b"\0" * 65536)
        except (BrokenPipeError, ConnectionResetError):
            return  # the client had enough, as it should


@contextmanager
def running_stand_in() -> Iterator[StandIn]:
    stand_in = StandIn()
    handler = type("Handler", (_Handler,), {"stand_in": stand_in})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    stand_in.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield stand_in
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
