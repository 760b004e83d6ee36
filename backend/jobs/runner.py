"""What the worker process runs: the seam between the job machinery and the pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from backend.protocol import JobRequest

if TYPE_CHECKING:  # the server process has no use for numpy
    import numpy as np
    from jaxtyping import UInt8


class JobProgress(Protocol):
    """How a runner speaks to whoever watches (the pipeline's Progress). Any call may raise `Cancelled`."""

    def advance(self, stage: str, fraction: float) -> None:
        """`fraction` in [0, 1] of one of STAGES is done."""

    def preview(self, name: str, image: UInt8[np.ndarray, "h w c"]) -> None:
        """An image to show now; `name` is an artifact name such as 'views/rgb_0.png'."""

    def begin_variant(self, index: int, count: int) -> None:
        """What is reported from now on belongs to variant `index` of `count`."""


class Runner(Protocol):
    """Made in the server, pickled, used in the worker process only."""

    def prepare(self) -> str:
        """Import and set up what every job needs; returns a description of the device."""

    def load(self, pack: str) -> None:
        """Load a pack now instead of with the first job that asks for it.

        Raises:
            PackError: unknown, missing, or not what its manifest says.
        """

    def run(self, image: bytes, request: JobRequest, folder: Path, progress: JobProgress) -> list[Path]:
        """Do one job; returns the finished files, all inside `folder`, whose relative paths name them.

        A cancel that comes when some variants are finished ends the job with those.
        """
