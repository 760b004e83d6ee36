"""The option --packs-folder, which several sub-commands share."""

from __future__ import annotations

import argparse
from pathlib import Path

from backend.settings import PACKS_VARIABLE


def add_packs_folder(parser: argparse.ArgumentParser) -> None:
    """Let the user name the folder of downloaded packs; None, the default, is this user's own."""
    parser.add_argument(
        "--packs-folder",
        type=Path,
        metavar="DIR",
        help=f"the folder of downloaded packs (default: ${PACKS_VARIABLE}, or this user's data folder)",
    )
