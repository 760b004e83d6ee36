"""A runner for the faults: the image's bytes say what happens. Everything around it is the real thing."""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backend.errors import ImageError, OutOfMemoryError
from backend.jobs.runner import JobProgress
from backend.protocol import STAGES, JobRequest

STEP_SECONDS = 0.02
LONG_SECONDS = 60.0


@dataclass
class ScriptedRunner:
    """Picklable; `scratch` outlives the worker process."""

    scratch: Path
    dies_in_prepare: bool = False

    def prepare(self) -> str:
        if self.dies_in_prepare:
            sys.exit(3)
        return "scripted"

    def load(self, pack: str) -> None:
        """Nothing to load."""

    def run(self, image: bytes, request: JobRequest, folder: Path, progress: JobProgress) -> list[Path]:
        match image:
            case b"preview, steps" | b"steps":  # denoising steps that never end, each looks for a cancel
                if image.startswith(b"preview"):
                    progress.preview("views/rgb_0.png", np.zeros((4, 4, 3), np.uint8))
                for step in range(int(LONG_SECONDS / STEP_SECONDS)):
                    progress.advance("views", step / 10_000)
                    time.sleep(STEP_SECONDS)
            case b"deaf":
                progress.advance("mesh", 0.0)
                time.sleep(LONG_SECONDS)
            case b"die":
                progress.advance("field", 0.5)
                os.kill(os.getpid(), signal.SIGKILL)
            case b"die once":
                if not (self.scratch / "died").exists():
                    (self.scratch / "died").touch()
                    os.kill(os.getpid(), signal.SIGKILL)
            case b"bad image":
                raise ImageError("This is not an image. Choose another file.")
            case b"bug":
                raise ValueError("three is not four")
            case b"out of memory":
                raise OutOfMemoryError("Lower the texture size.")
        return make_files(request, folder, progress)


def make_files(request: JobRequest, folder: Path, progress: JobProgress) -> list[Path]:
    """All stages, one preview that a result replaces, one that none does; two files."""
    for stage in STAGES:
        progress.advance(stage, 0.0)
        if stage == "views":
            progress.preview("views/rgb_0.png", np.full((4, 4, 3), 200, np.uint8))
            progress.preview("views/rgb_1.png", np.zeros((4, 4, 4), np.uint8))
        progress.advance(stage, 1.0)
    files = [folder / "asset.glb", folder / "views" / "rgb_0.png"]
    files[1].parent.mkdir()
    for file in files:
        file.write_bytes(f"{file.name} of {request.name}, seed {request.seed}".encode())
    return files
