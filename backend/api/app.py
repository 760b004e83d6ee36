"""The HTTP application: routes behind a gate."""

from __future__ import annotations

from fastapi import FastAPI

from backend import __version__
from backend.api.error_responses import add_error_handlers
from backend.api.gate import Gate
from backend.api.routes import job_routes
from backend.jobs.service import JobService


def create_app(service: JobService, token: str) -> FastAPI:
    """The application over a running job service; callers must show `token`."""
    # No documentation pages: they load scripts from elsewhere. openapi.json stays, behind the token.
    app = FastAPI(title="Bozzetto", version=__version__, docs_url=None, redoc_url=None)
    app.include_router(job_routes(service))
    app.add_middleware(Gate, token=token)
    add_error_handlers(app)
    return app
