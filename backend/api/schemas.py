"""Request bodies as pydantic sees them: strict, and closed to fields that the protocol does not have."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from backend.protocol import JobRequest


class JobBody(BaseModel):
    """JobRequest on the wire. Limits are checked by backend.options, which the command line shares."""

    model_config = ConfigDict(extra="forbid", strict=True)

    image: str
    name: str = JobRequest.name
    pack: str = JobRequest.pack
    route: str | None = JobRequest.route
    seed: int = JobRequest.seed
    faces: int = JobRequest.faces
    texture_size: int = JobRequest.texture_size
    steps: int | None = JobRequest.steps
    guidance: float | None = JobRequest.guidance
    height_metres: float = JobRequest.height_metres
    variants: int = JobRequest.variants

    def to_request(self) -> JobRequest:
        return JobRequest(**self.model_dump())
