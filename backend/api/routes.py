"""The routes of backend.protocol, and nothing else."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import FileResponse

from backend import __version__
from backend.api.schemas import JobBody
from backend.jobs.service import JobService
from backend.protocol import MAX_WAIT_SECONDS, PROTOCOL_VERSION, Health

MAX_KEY_CHARACTERS = 200


def job_routes(service: JobService) -> APIRouter:
    """The routes over one job service."""
    router = APIRouter()

    @router.get("/health")
    def health(request: Request) -> dict[str, Any]:
        known = request.state.authorised
        return asdict(
            Health(
                protocol_version=PROTOCOL_VERSION,
                backend_version=__version__,
                device=service.supervisor.device if known else "",
                packs=service.packs() if known else [],
                ready=service.supervisor.ready,
            )
        )

    @router.post("/jobs", status_code=201)
    def submit(
        body: JobBody,
        idempotency_key: Annotated[str | None, Header(max_length=MAX_KEY_CHARACTERS)] = None,
    ) -> dict[str, Any]:
        return service.submit(body.to_request(), idempotency_key).to_json()

    @router.get("/jobs/{job_id}")
    async def status(
        job_id: str,
        since: Annotated[int, Query(ge=-1)] = -1,
        wait: Annotated[float, Query(ge=0, allow_inf_nan=False)] = 0,
    ) -> dict[str, Any]:
        await _wait_for_change(service, job_id, since, min(wait, MAX_WAIT_SECONDS))
        return service.status(job_id).to_json()

    @router.post("/jobs/{job_id}/cancel")
    def cancel(job_id: str) -> dict[str, Any]:
        return service.cancel(job_id).to_json()

    @router.get("/jobs/{job_id}/artifacts/{name:path}")
    def artifact(job_id: str, name: str) -> FileResponse:
        found, path = service.artifact(job_id, name)
        return FileResponse(
            path, headers={"ETag": f'"{found.sha256}"', "Cache-Control": "no-store"}, media_type=_type(name)
        )

    return router


async def _wait_for_change(service: JobService, job_id: str, since: int, seconds: float) -> None:
    """Return once the job's sequence exceeds `since`, the job has ended, or the time is over."""
    loop = asyncio.get_running_loop()
    changed = asyncio.Event()
    with service.store.subscribe(job_id, lambda: loop.call_soon_threadsafe(changed.set)):
        # Subscribed first, looked second: a change in between is not missed.
        job = service.store.get(job_id)
        if job.sequence <= since and not job.ended:
            with suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), seconds)


def _type(name: str) -> str:
    types = {"glb": "model/gltf-binary", "png": "image/png", "json": "application/json"}
    return types.get(name.rpartition(".")[2], "application/octet-stream")
