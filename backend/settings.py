"""What `serve` can be told, and where this user's packs lie. Standard library only."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

PACKS_VARIABLE = "BOZZETTO_PACKS"
"""Names the folder of downloaded packs, for those who keep gigabytes on another disk."""


def user_packs_folder() -> Path:
    """Where downloaded packs go: $BOZZETTO_PACKS, or `bozzetto/packs` in the platform's data folder."""
    named = os.environ.get(PACKS_VARIABLE)
    if named:
        return Path(named).expanduser()
    if sys.platform == "win32":
        data = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        data = Path.home() / "Library" / "Application Support"
    else:
        data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return data / "bozzetto" / "packs"


@dataclass(frozen=True)
class ServerSettings:
    """The server's settings; the token is not among them, so that no log or traceback shows it."""

    host: str = "127.0.0.1"
    """Address to listen on: loopback only."""
    port: int = 0
    """0 takes any free port."""
    data_dir: Path | None = None
    """Where jobs keep their files; a temporary folder that goes with the server when None."""
    parent_pid: int | None = None
    """The server ends when this process has ended."""
    queue_limit: int = 32
    """Waiting jobs; one more is refused."""
    keep_finished: int = 64
    """Ended jobs whose results stay; the oldest beyond that are forgotten."""
    attempts: int = 2
    """How often a job may be tried when its worker dies."""
    cancel_grace_seconds: float = 5.0
    """How long a running job may take to notice a cancel before its worker is killed."""
