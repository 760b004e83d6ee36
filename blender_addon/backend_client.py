"""The backend over HTTP: typed objects in, typed objects or typed errors out. No bpy.

The backend is not trusted further than needed: every body has a limit and a deadline, redirects are not
followed, and a file counts only once its size and SHA-256 are those that the job's list announced.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import requests

from . import artifacts
from .errors import (
    AddressError,
    BackendError,
    ChangedError,
    OutputError,
    TokenError,
    UnreachableError,
    UnsafeAnswerError,
    VersionError,
)
from .protocol import PROTOCOL_VERSION, ArtifactInfo, Health, JobRequest, JobStatus

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 15.0
DOWNLOAD_SECONDS = 300.0
JSON_LIMIT = 4 * 2**20
ARTIFACT_LIMIT = 512 * 2**20
_BLOCK = 64 * 2**10


class BackendClient:
    """One backend, known by its address and token. Threads may share it: it keeps no connection."""

    def __init__(self, address: str, token: str, *, answer_seconds: float = ANSWER_SECONDS) -> None:
        """
        Args:
            address: such as http://127.0.0.1:8765.
            answer_seconds: how long the backend may stay silent before it counts as unreachable.

        Raises:
            AddressError: no http(s) address, or one that would send the token in the clear over a network.
        """
        self.address = _checked_address(address)
        self._token = token
        self._answer_seconds = answer_seconds

    def health(self) -> Health:
        """Who answers there. Raises VersionError when add-on and backend do not belong together."""
        data = self._json("GET", "/health")
        version = data.get("protocol_version")
        if version != PROTOCOL_VERSION:
            raise VersionError(
                f"The backend at {self.address} speaks protocol {version}, this add-on {PROTOCOL_VERSION}. "
                "Update the older of the two."
            )
        return _parsed(Health.from_json, data)

    def submit(self, request: JobRequest) -> JobStatus:
        return _parsed(JobStatus.from_json, self._json("POST", "/jobs", json=request.to_json()))

    def status(self, job_id: str, since: int = -1, wait: float = 0.0) -> JobStatus:
        """The job's state as soon as its sequence exceeds `since`, or after `wait` seconds as it is."""
        path = f"/jobs/{quote(job_id, safe='')}"
        data = self._json("GET", path, patience=wait, params={"since": since, "wait": wait})
        return _parsed(JobStatus.from_json, data)

    def cancel(self, job_id: str) -> JobStatus:
        return _parsed(JobStatus.from_json, self._json("POST", f"/jobs/{quote(job_id, safe='')}/cancel"))

    def download(self, job_id: str, artifact: ArtifactInfo, folder: Path) -> Path:
        """Write one listed artifact to `folder`/`artifact.name`, or nothing at all.

        Raises:
            ChangedError: the bytes are not those that the list announced.
            UnsafeAnswerError: a name or size that no Bozzetto job has.
            OutputError: `folder` cannot be written.
        """
        if artifacts.own_name(artifact.name) not in artifacts.ALL:
            raise UnsafeAnswerError(f"The backend offers a file of unknown name, {artifact.name!r}: refused.")
        if not 0 < artifact.size <= ARTIFACT_LIMIT:
            raise UnsafeAnswerError(f"The backend offers {artifact.size} bytes of {artifact.name}: refused.")
        target = folder / artifact.name
        part = target.with_name(target.name + ".part")
        digest, size = hashlib.sha256(), 0
        path = f"/jobs/{quote(job_id, safe='')}/artifacts/{artifact.name}"
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with self._answer("GET", path) as response, part.open("wb") as file:
                for block in _blocks(response, artifact.size, DOWNLOAD_SECONDS):
                    file.write(block)
                    digest.update(block)
                    size += len(block)
            if (size, digest.hexdigest()) != (artifact.size, artifact.sha256):
                raise ChangedError(
                    f"{artifact.name} arrived damaged ({size} of {artifact.size} bytes, or a wrong checksum)."
                )
            if artifacts.own_name(artifact.name) == artifacts.ASSET:
                artifacts.check_glb(part)
            os.replace(part, target)
        except OSError as error:
            raise OutputError(f"{target} cannot be written ({error.strerror}).") from error
        finally:
            part.unlink(missing_ok=True)
        return target

    def _json(self, method: str, path: str, patience: float = 0.0, **arguments: Any) -> dict[str, Any]:
        with self._answer(method, path, patience, **arguments) as response:
            body = b"".join(_blocks(response, JSON_LIMIT, patience + 2 * self._answer_seconds))
        return _json_object(body, self.address)

    @contextmanager
    def _answer(
        self, method: str, path: str, patience: float = 0.0, **arguments: Any
    ) -> Iterator[requests.Response]:
        """A successful response whose body is still to be read."""
        with requests.Session() as session:
            # Proxies and ~/.netrc from the environment have no business between Blender and its backend.
            session.trust_env = False
            try:
                with session.request(
                    method,
                    self.address + path,
                    headers={"Authorization": f"Bearer {self._token}", "Accept-Encoding": "identity"},
                    timeout=(CONNECT_SECONDS, patience + self._answer_seconds),
                    allow_redirects=False,
                    stream=True,
                    **arguments,
                ) as response:
                    if response.status_code not in (200, 201, 202):
                        raise self._refusal(response)
                    yield response
            except requests.RequestException as error:
                raise UnreachableError(_unreachable_message(self.address, error)) from error

    def _refusal(self, response: requests.Response) -> Exception:
        if response.status_code == 401:
            return TokenError(
                f"The backend at {self.address} refuses the token. "
                "Choose the token file that it was started with."
            )
        body = b"".join(_blocks(response, JSON_LIMIT, self._answer_seconds))
        try:
            error = _json_object(body, self.address)["error"]
            return BackendError(str(error["code"]), str(error["message"]))
        except (VersionError, KeyError, TypeError):
            return VersionError(
                f"What answers at {self.address} is not a Bozzetto backend (HTTP {response.status_code}). "
                "Check the address and port."
            )


def is_loopback_address(address: str) -> bool:
    """Whether an address stays on this machine."""
    return _is_loopback(urlsplit(address.strip()).hostname or "")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _checked_address(address: str) -> str:
    parts = urlsplit(address.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise AddressError(f"{address!r} is not an address. It looks like http://127.0.0.1:8765.")
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise AddressError(
            f"{address} would send the token unencrypted over the network. Use https:// or an SSH tunnel "
            "to 127.0.0.1."
        )
    return f"{parts.scheme}://{parts.netloc}{parts.path}".rstrip("/")


def _blocks(response: requests.Response, limit: int, seconds: float) -> Iterator[bytes]:
    """The body in pieces, at most `limit` bytes of it and for at most `seconds`."""
    deadline, size = time.monotonic() + seconds, 0
    for block in response.iter_content(_BLOCK):
        size += len(block)
        if size > limit:
            raise UnsafeAnswerError(f"The backend sends more than the expected {limit} bytes: refused.")
        if time.monotonic() > deadline:
            raise UnsafeAnswerError(f"The backend is still sending after {seconds:.0f} s: given up.")
        yield block


def _json_object(body: bytes, address: str) -> dict[str, Any]:
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise VersionError(f"What answers at {address} is no Bozzetto backend. Check address and port.")
    return data


def _parsed(parse: Any, data: dict[str, Any]) -> Any:
    try:
        return parse(data)
    except (KeyError, TypeError, AttributeError) as error:
        raise VersionError(f"The backend's answer has another form than expected ({error}).") from error


def _unreachable_message(address: str, error: requests.RequestException) -> str:
    if isinstance(error, requests.Timeout):
        return f"The backend at {address} does not answer. It may be overloaded, or the address may be wrong."
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return f"The connection to the backend at {address} broke in the middle of an answer."
    return f"No backend can be reached at {address}. Start it, or correct the address in the preferences."
