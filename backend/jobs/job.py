"""A job and its legal state changes.

    QUEUED --> RUNNING --> SUCCEEDED | FAILED | CANCELLED
      |  ^        |
      |  `--------' its worker died and it may be tried again
      `--> CANCELLED | FAILED

A job is frozen: each change is a method that returns the next job. The store numbers the changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from backend.protocol import (
    CANCELLED,
    FAILED,
    QUEUED,
    RUNNING,
    STAGES,
    SUCCEEDED,
    TERMINAL_STATES,
    ArtifactInfo,
    ErrorInfo,
    JobRequest,
    JobStatus,
)

STAGE_SHARES = {
    "foreground": 0.05,
    "views": 0.35,
    "normals": 0.15,
    "field": 0.05,
    "mesh": 0.10,
    "textures": 0.25,
    "export": 0.05,
}
"""Rough share of a job's time that each stage takes: for the progress bar only. The shares sum to 1."""


class IllegalChangeError(RuntimeError):
    """A state change that the diagram above does not have: a bug in the caller, never the user's doing."""


@dataclass(frozen=True)
class Job:
    id: str
    request: JobRequest
    """The parameters; its image is empty here, because the bytes lie in the store."""
    sequence: int = 0
    state: str = QUEUED
    begun: tuple[str, ...] = ()
    """The stages that the variant at work has come to."""
    stage_fraction: float = 0.0
    """Of the last of them."""
    variant: int = 0
    """Index of the variant at work."""
    artifacts: tuple[ArtifactInfo, ...] = ()
    error: ErrorInfo | None = None
    attempts: int = 0
    """How often a worker has begun it."""
    cancel_requested: bool = False

    @property
    def stage(self) -> str | None:
        return self.begun[-1] if self.begun else None

    @property
    def ended(self) -> bool:
        return self.state in TERMINAL_STATES

    def started(self) -> Job:
        self._require(QUEUED)
        return replace(self, state=RUNNING, attempts=self.attempts + 1)

    def advanced(self, stage: str, fraction: float, variant: int = 0) -> Job:
        self._require(RUNNING)
        begun = with_stage(self.begun if variant == self.variant else (), stage)
        return replace(self, begun=begun, stage_fraction=min(max(fraction, 0.0), 1.0), variant=variant)

    def previewed(self, artifact: ArtifactInfo) -> Job:
        """A new artifact, or a newer one under the same name."""
        self._require(RUNNING)
        others = tuple(known for known in self.artifacts if known.name != artifact.name)
        return replace(self, artifacts=(*others, artifact))

    def succeeded(self, results: tuple[ArtifactInfo, ...]) -> Job:
        """All results at once; previews whose name no result takes are dropped."""
        self._require(RUNNING)
        return replace(
            self,
            state=SUCCEEDED,
            begun=with_stage(self.begun, STAGES[-1]),
            stage_fraction=1.0,
            variant=self.request.variants - 1,
            artifacts=results,
        )

    def failed(self, error: ErrorInfo) -> Job:
        """The previews stay: they may show why."""
        self._require(QUEUED, RUNNING)
        return replace(self, state=FAILED, error=error)

    def cancelled(self) -> Job:
        self._require(QUEUED, RUNNING)
        return replace(self, state=CANCELLED)

    def cancel_asked(self) -> Job:
        """Ends a waiting job at once, marks a running one, leaves an ended one as it is."""
        if self.state == QUEUED:
            return replace(self.cancelled(), cancel_requested=True)
        return self if self.ended else replace(self, cancel_requested=True)

    def requeued(self) -> Job:
        """Back to the start; the next attempt replaces the previews."""
        self._require(RUNNING)
        return replace(self, state=QUEUED, begun=(), stage_fraction=0.0, variant=0)

    def status(self, queue_position: int | None) -> JobStatus:
        """What crosses the wire."""
        return JobStatus(
            id=self.id,
            sequence=self.sequence,
            state=self.state,
            stage=self.stage,
            stage_fraction=self.stage_fraction,
            fraction=overall_fraction(self.begun, self.stage_fraction, self.variant, self.request.variants),
            queue_position=queue_position,
            variant=self.variant,
            artifacts=list(self.artifacts),
            error=self.error,
        )

    def _require(self, *states: str) -> None:
        if self.state not in states:
            raise IllegalChangeError(
                f"job {self.id} is {self.state}, this change needs {' or '.join(states)}"
            )


def with_stage(begun: tuple[str, ...], stage: str) -> tuple[str, ...]:
    """The stages begun once `stage` is."""
    return begun if stage in begun else (*begun, stage)


def overall_fraction(
    begun: Sequence[str], stage_fraction: float, variant: int = 0, variants: int = 1
) -> float:
    """Share of the whole job that is done when `stage_fraction` of the last stage begun is.

    Stages that were passed over are none of this job's: a route may leave some out.
    """
    if not begun:
        return 0.0
    *done, stage = begun
    skipped = [known for known in STAGES[: STAGES.index(stage)] if known not in done]
    passed = sum(STAGE_SHARES[earlier] for earlier in done) + STAGE_SHARES[stage] * stage_fraction
    whole = 1 - sum(STAGE_SHARES[missing] for missing in skipped)
    return min((variant + passed / whole) / variants, 1.0)
