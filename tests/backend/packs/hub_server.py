"""A hub of our own on loopback: enough of the real one's HTTP for huggingface-hub, and every misfortune."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """Files by "owner/name/path", and what is to go wrong with them."""

    files: dict[str, bytes] = field(default_factory=dict)
    small: set[str] = field(default_factory=set)
    """Files that git keeps itself: their ETag is a blob id, not a sha256."""
    cuts: dict[str, list[int]] = field(default_factory=dict)
    """Byte positions at which the connection is cut, one for each answer to come."""
    corrupt: set[str] = field(default_factory=set)
    """Files served with a flipped byte under their true ETag."""
    status: dict[str, int] = field(default_factory=dict)
    """Files refused with this status."""
    delay_seconds: float = 0.0
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)
    """(method, file, Range) as they came."""
    revisions: list[tuple[str, str]] = field(default_factory=list)
    """(method, revision) as they came."""
    endpoint: str = ""

    def etag(self, name: str) -> str:
        content = self.files[name]
        if name in self.small:
            return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        return hashlib.sha256(content).hexdigest()

    def ranges_of(self, name: str) -> list[str | None]:
        """The Range headers of the downloads of a file, in order."""
        return [asked for method, one, asked in self.requests if (method, one) == ("GET", name)]


@contextmanager
def running_hub() -> Iterator[Hub]:
    """A hub that serves until the block ends."""
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def log_message(self, *_: object) -> None:
            pass

        def _answer(self, with_body: bool) -> None:
            repository, _, rest = self.path.removeprefix("/").partition("/resolve/")
            revision, _, path = rest.partition("/")
            name = f"{repository}/{path}"
            asked = self.headers.get("Range")
            hub.requests.append((self.command, name, asked))
            hub.revisions.append((self.command, revision))
            time.sleep(hub.delay_seconds)
            if name in hub.status or name not in hub.files:
                self.send_response(hub.status.get(name, 404))
                if name not in hub.status:
                    self.send_header("X-Error-Code", "EntryNotFound")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            content = hub.files[name]
            if name in hub.corrupt:
                content = bytes([content[0] ^ 1]) + content[1:]
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
            self.send_response(206 if asked else 200)
            if asked:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.send_header("Content-Length", str(len(content) - start))
            self.send_header("ETag", f'"{hub.etag(name)}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.end_headers()
            if not with_body:
                return
            planned = hub.cuts.get(name)
            end = planned.pop(0) if planned else len(content)
            self.wfile.write(content[start:end])
            if end < len(content):
                self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
