"""What every request passes before a route sees it: who may call, from where, with what kind of body."""

from __future__ import annotations

import hmac

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend.api.error_responses import error_response
from backend.errors import AuthError, BodyTooLargeError, BozzettoError, RefusedError
from backend.protocol import MAX_IMAGE_BYTES

HOST_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})
"""A page that rebinds its own name to loopback still sends that name as Host."""
OPEN_PATHS = frozenset({"/health"})
MAX_BODY_BYTES = MAX_IMAGE_BYTES * 4 // 3 + 2**16
"""The largest image in base64, and room for the options."""


class Gate:
    """ASGI middleware: Host allowlist, no browsers, bearer token, JSON bodies of bounded size."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._token = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            _refuse_strangers(headers)
            scope.setdefault("state", {})["authorised"] = self._authorise(headers, scope["path"])
            if scope["method"] not in ("GET", "HEAD"):
                _refuse_bodies(headers)
        except BozzettoError as error:
            await error_response(error)(scope, receive, send)
            return
        await self._app(scope, _bounded(receive), send)

    def _authorise(self, headers: Headers, path: str) -> bool:
        """Whether the right token came; no token at all is good enough for the open paths."""
        header = headers.get("authorization")
        if header is None and path in OPEN_PATHS:
            return False
        scheme, _, token = (header or "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(token.strip().encode(), self._token):
            raise AuthError(
                "The token is missing or wrong. Send `Authorization: Bearer TOKEN` with the token that this "
                "backend was started with; after a restart it is a new one."
            )
        return True


def _refuse_strangers(headers: Headers) -> None:
    host = headers.get("host", "")
    name = host[: host.rfind("]") + 1] if host.startswith("[") else host.partition(":")[0]
    if name.lower() not in HOST_NAMES:
        raise RefusedError(f"This backend answers to {', '.join(sorted(HOST_NAMES))}, not to {name[:80]!r}.")
    if "origin" in headers:
        raise RefusedError(
            "This backend serves no web pages. Call it from a program, without an Origin header."
        )


def _refuse_bodies(headers: Headers) -> None:
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    has_body = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
    if has_body and kind != "application/json":
        # A web page can send forms and plain text anywhere unasked; JSON it cannot.
        raise RefusedError(f"Send application/json, not {kind[:80] or 'a body without a type'}.")
    length = headers.get("content-length", "0")
    if length.isdecimal() and int(length) > MAX_BODY_BYTES:
        raise BodyTooLargeError(_too_large())


def _bounded(receive: Receive) -> Receive:
    """The same body, refused as soon as it grows over the limit (a chunked one does not tell its length).

    FastAPI's own `max_body_size` does this too, but answers in plain text where Content-Length is too large.
    """
    taken = 0

    async def bounded() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > MAX_BODY_BYTES:
            # FastAPI, which reads here, lets HTTPException pass and buries any other.
            raise HTTPException(413, _too_large())
        return message

    return bounded


def _too_large() -> str:
    return (
        f"The request has more than {MAX_BODY_BYTES // 2**20} MB. "
        f"Images of up to {MAX_IMAGE_BYTES // 2**20} MB are taken: save it smaller or as JPEG."
    )
