"""The contract between the add-on and the backend: standard library only, copied into the add-on by build.py.

Every route but /health asks for `Authorization: Bearer TOKEN`.

    GET    /health                          -> Health (also tells whether the token, if given, is right)
    POST   /jobs          JobRequest        -> JobStatus
    GET    /jobs/{id}?since=SEQ&wait=SECONDS -> JobStatus, as soon as its sequence exceeds SEQ
    POST   /jobs/{id}/cancel                -> JobStatus
    GET    /jobs/{id}/artifacts/{name}      -> bytes; ETag is the sha256
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

PROTOCOL_VERSION = 1
STAGES = ("foreground", "views", "normals", "field", "mesh", "textures", "export")

QUEUED, RUNNING, SUCCEEDED, FAILED, CANCELLED = "queued", "running", "succeeded", "failed", "cancelled"
TERMINAL_STATES = (SUCCEEDED, FAILED, CANCELLED)


@dataclass(frozen=True)
class Health:
    protocol_version: int
    backend_version: str
    device: str
    packs: list[str]
    ready: bool

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Health:
        return cls(**{name: data[name] for name in cls.__dataclass_fields__})


@dataclass(frozen=True)
class JobRequest:
    """What the add-on asks for. `image_png` is base64 of the image file's bytes, any supported format."""

    image: str
    name: str = "asset"
    pack: str = "nano"
    seed: int = 0
    faces: int = 10_000
    texture_size: int = 1024
    steps: int | None = None
    guidance: float | None = None
    height_metres: float = 1.0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class ErrorInfo:
    """`code` is one of backend.errors' codes; `message` is for the user's eyes."""

    code: str
    message: str


@dataclass(frozen=True)
class ArtifactInfo:
    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class JobStatus:
    id: str
    sequence: int
    """Grows by one with every change."""
    state: str
    stage: str | None
    stage_fraction: float
    """Of the current stage, in [0, 1]."""
    fraction: float
    """Of the whole job, in [0, 1]."""
    queue_position: int | None
    artifacts: list[ArtifactInfo] = field(default_factory=list)
    """Grows while the job runs: previews first, results last."""
    error: ErrorInfo | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> JobStatus:
        known = {name: data[name] for name in cls.__dataclass_fields__ if name in data}
        known["artifacts"] = [ArtifactInfo(**a) for a in data.get("artifacts", [])]
        known["error"] = ErrorInfo(**data["error"]) if data.get("error") else None
        return cls(**known)
