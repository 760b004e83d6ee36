"""Where results go: a folder per image that appears whole or not at all."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from backend.errors import OutputError


def require_writable(folder: Path) -> None:
    """Make the folder and try to write there, so that trouble is found before any work.

    Raises:
        OutputError: it cannot be made or written.
    """
    probe = folder / f".{secrets.token_hex(4)}.part"
    with _naming_trouble(folder):
        folder.mkdir(parents=True, exist_ok=True)
        probe.mkdir()
        probe.rmdir()


def unique_names(images: Sequence[Path]) -> list[str]:
    """A folder name for each image: its stem, numbered from the second of the same stem on.

    Names that differ only in case count as the same, since some file systems say so.
    """
    taken = {image.stem.casefold() for image in images}
    used: set[str] = set()
    names = []
    for image in images:
        name, number = image.stem, 1
        while name.casefold() in used or (number > 1 and name.casefold() in taken):
            number += 1
            name = f"{image.stem}_{number}"
        used.add(name.casefold())
        names.append(name)
    return names


@contextmanager
def published_folder(destination: Path) -> Iterator[Path]:
    """A temporary folder beside `destination` that takes its place, and that of an older result, at the end.

    After an exception the temporary folder is gone and `destination` is as it was.

    Raises:
        OutputError: the folder cannot be made, or not be moved into place.
    """
    mark = secrets.token_hex(4)
    part = destination.with_name(f".{destination.name}.{mark}.part")
    replaced = destination.with_name(f".{destination.name}.{mark}.old")
    try:
        with _naming_trouble(destination):
            part.mkdir()
        yield part
        with _naming_trouble(destination):
            if destination.exists():
                destination.rename(replaced)
            part.rename(destination)
    finally:
        shutil.rmtree(part, ignore_errors=True)
        if replaced.exists() and not destination.exists():
            replaced.rename(destination)
        shutil.rmtree(replaced, ignore_errors=True)


@contextmanager
def _naming_trouble(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"The output folder {folder} cannot be written ({error.strerror}). Choose another with --out."
        ) from error
