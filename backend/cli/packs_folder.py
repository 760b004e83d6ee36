"""The option --packs-folder, which several sub-commands share."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from backend.settings import PACKS_VARIABLE


def add_packs_folder(parser: argparse.ArgumentParser) -> None:
    """Let the user name the folder of downloaded packs for this run."""
    parser.add_argument(
        "--packs-folder",
        type=Path,
        metavar="DIR",
        help=f"the folder of downloaded packs (default: ${PACKS_VARIABLE}, or this user's data folder)",
    )


def apply_packs_folder(arguments: argparse.Namespace) -> None:
    """Put what was given, if anything, where this process and its workers look for it: the environment."""
    folder: Path | None = getattr(arguments, "packs_folder", None)
    if folder is not None:
        os.environ[PACKS_VARIABLE] = str(folder.absolute())
