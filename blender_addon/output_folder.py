"""Results appear whole or not at all. Standard library only."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import OutputError


def make_writable(folder: Path) -> None:
    """Make `folder` if need be. Raises OutputError when nothing can be written there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        message = f"{folder} cannot be written ({error.strerror}). Choose another with --out."
        raise OutputError(message) from error


@contextmanager
def whole_or_nothing(target: Path) -> Iterator[Path]:
    """A new folder beside `target` that takes its place when the block ends well, and vanishes otherwise.

    Raises:
        OutputError: the folder cannot be written.
    """
    try:
        partial = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        # mkdtemp makes folders that nobody else may read, and results are for everyone.
        partial.chmod(target.parent.stat().st_mode & 0o777)
    except OSError as error:
        raise OutputError(f"{target.parent} cannot be written ({error.strerror}).") from error
    try:
        yield partial
        _replace(target, partial)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _replace(target: Path, source: Path) -> None:
    old = source.with_name(source.name + ".old")
    replaced = target.exists()
    try:
        if replaced:
            os.replace(target, old)
        try:
            os.replace(source, target)
        except OSError:
            if replaced:
                os.replace(old, target)
            raise
    except OSError as error:
        raise OutputError(f"{target} cannot be replaced ({error.strerror}).") from error
    shutil.rmtree(old, ignore_errors=True)
