# Generated from backend/protocol.py by `python3 build.py protocol`: change that file, not this one.
"""The contract between the add-on and the backend: standard library only, copied into the add-on by build.py.

Every route but a minimal part of /health asks for `Authorization: Bearer TOKEN`. Bodies are JSON.

    GET    /health                           -> Health; no token: device and packs are empty; a wrong one: 401
    POST   /jobs           JobRequest        -> JobStatus; an `Idempotency-Key` header makes a repeat safe
    GET    /jobs/{id}?since=SEQ&wait=SECONDS -> JobStatus, once its sequence exceeds SEQ or `wait` is over
    POST   /jobs/{id}/cancel                 -> JobStatus
    GET    /jobs/{id}/artifacts/{name}       -> bytes; ETag is the sha256 in quotes, Range is understood

A job with `variants` above 1 makes that many assets, with `seed` and the seeds after it. The best is the
result under the usual names, and all of them lie under VARIANT_FOLDER as well. Cancelled after its first
variant, such a job ends as a success with the variants that it has.

Any other answer than 2xx carries `{"error": ErrorInfo}`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

PROTOCOL_VERSION = 1
STAGES = ("foreground", "views", "normals", "field", "mesh", "textures", "export")
"""In their order; a route may leave some out."""
MULTIVIEW, LRM = "multiview", "lrm"
ROUTES = (MULTIVIEW, LRM)
"""Ways from the image to the field: over six views and their normals, or without these two stages."""

QUEUED, RUNNING, SUCCEEDED, FAILED, CANCELLED = "queued", "running", "succeeded", "failed", "cancelled"
TERMINAL_STATES = (SUCCEEDED, FAILED, CANCELLED)

TOKEN_VARIABLE = "BOZZETTO_TOKEN"
"""Environment variable from which `serve` takes its token when no token file is named."""
READY_PREFIX = "BOZZETTO READY port="
"""`serve` prints one line on standard output when it listens: this prefix and the port number."""
MAX_IMAGE_BYTES = 24 * 2**20
"""Largest image file that a JobRequest may carry, before base64."""
VARIANT_FOLDER = "variant_{:02d}/"
"""What precedes the names of one variant's artifacts, by its index."""
MAX_WAIT_SECONDS = 30.0
"""Longest `wait` of a long-poll; a larger one is cut to this."""


@dataclass(frozen=True)
class Limit:
    """The values that an option may take, both ends included."""

    low: float
    high: float
    whole: bool = True
    """Whole numbers only."""


LIMITS = {
    "seed": Limit(0, 2**31 - 1),
    "faces": Limit(100, 200_000),
    "texture_size": Limit(64, 4096),
    "steps": Limit(1, 500),
    "guidance": Limit(0.0, 30.0, whole=False),
    "height_metres": Limit(0.001, 1000.0, whole=False),
    "variants": Limit(1, 16),
}
"""By field of JobRequest."""


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
    """What the add-on asks for. `steps` and `guidance` are the pack's own defaults when None."""

    image: str
    """Base64 of the image file's bytes, any supported format; never an address or a path."""
    name: str = "asset"
    """What the asset is called inside the GLB."""
    pack: str = "nano"
    route: str | None = None
    """One of ROUTES, to be sure; the pack's own when None."""
    seed: int = 0
    faces: int = 10_000
    texture_size: int = 1024
    steps: int | None = None
    guidance: float | None = None
    height_metres: float = 1.0
    variants: int = 1
    """Assets made of the one image, of which the best is the result."""

    def to_json(self) -> dict[str, Any]:
        """Without what is None, so that a backend that does not know a newer option is not troubled by it."""
        return {name: value for name, value in asdict(self).items() if value is not None}


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
    """Jobs ahead of this one when the answer was given, while it is queued; moves without a new sequence."""
    variant: int = 0
    """Index of the variant at work: `stage` is that one's stage."""
    artifacts: list[ArtifactInfo] = field(default_factory=list)
    """Grows while the job runs: previews first, all results together with SUCCEEDED. A preview may be
    replaced under its name: the ETag tells which one came. Without success the previews stay."""
    error: ErrorInfo | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> JobStatus:
        known = {name: data[name] for name in cls.__dataclass_fields__ if name in data}
        known["artifacts"] = [ArtifactInfo(**a) for a in data.get("artifacts", [])]
        known["error"] = ErrorInfo(**data["error"]) if data.get("error") else None
        return cls(**known)
