"""Errors as HTTP answers: a status code and `{"error": ErrorInfo}`, never a traceback, never the input."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from backend.errors import (
    ArtifactNotFoundError,
    AuthError,
    BodyTooLargeError,
    BozzettoError,
    ConflictError,
    InputError,
    JobNotFoundError,
    OutputError,
    PackError,
    QueueFullError,
    RefusedError,
)
from backend.protocol import ErrorInfo

RETRY_AFTER_SECONDS = 5

STATUS_CODES: dict[type[BozzettoError], int] = {
    AuthError: 401,
    RefusedError: 403,
    JobNotFoundError: 404,
    ArtifactNotFoundError: 404,
    ConflictError: 409,
    BodyTooLargeError: 413,
    PackError: 422,
    OutputError: 507,
    InputError: 422,
    QueueFullError: 429,
}
"""The first class in an error's ancestry counts; every other error is 500."""


def error_response(error: BozzettoError) -> JSONResponse:
    """The answer to a deliberate error."""
    status = next((STATUS_CODES[cls] for cls in type(error).__mro__ if cls in STATUS_CODES), 500)
    headers = {}
    if isinstance(error, QueueFullError):
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    if isinstance(error, AuthError):
        headers["WWW-Authenticate"] = "Bearer"
    return _response(status, error.code, str(error), headers)


def add_error_handlers(app: FastAPI) -> None:
    """Give every error, deliberate or not, the same shape."""

    @app.exception_handler(BozzettoError)
    def deliberate(request: Request, error: BozzettoError) -> JSONResponse:
        return error_response(error)

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        return _response(422, InputError.code, f"The request is not usable: {_describe(error)}.")

    @app.exception_handler(HTTPException)
    def http(request: Request, error: HTTPException) -> JSONResponse:
        code = BodyTooLargeError.code if error.status_code == 413 else "http"
        return _response(error.status_code, code, str(error.detail), dict(error.headers or {}))

    @app.exception_handler(Exception)
    def unexpected(request: Request, error: Exception) -> JSONResponse:
        return _response(
            500, BozzettoError.code, "Something broke inside the backend. Its log has the details."
        )


def _describe(error: RequestValidationError) -> str:
    """Where and what, without the value: it may be a whole image."""
    problems: list[dict[str, Any]] = list(error.errors())
    return "; ".join(f"{'.'.join(map(str, p['loc'][1:])) or 'body'}: {p['msg']}" for p in problems[:5])


def _response(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": asdict(ErrorInfo(code, message))}, status, headers)
