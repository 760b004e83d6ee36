"""Files of a public pack that somebody has already downloaded."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from backend.errors import PackError
from backend.packs.catalogue import HubFile, PublicPack
from backend.packs.sources import SourceFile, require_expected

_MISSING_SHOWN = 5


@dataclass(frozen=True)
class FolderSource:
    """A hub cache (HF_HOME or the folder `hub` in it) or a plain folder with the repositories' files.

    In a plain folder, a repository's files may lie below owner/name, owner--name, name, or at the top.
    """

    folder: Path

    def plan(self, pack: PublicPack) -> list[SourceFile]:
        """Find every file.

        Raises:
            PackError: names the files that are not there.
        """
        if not self.folder.is_dir():
            raise PackError(f"There is no folder {self.folder}. Name the one with the downloaded files.")
        found = {file: self._find(file) for file in pack.files}
        missing = [f"{file.repository}/{file.path}" for file, path in found.items() if path is None]
        if missing:
            more = f" and {len(missing) - _MISSING_SHOWN} more" if len(missing) > _MISSING_SHOWN else ""
            raise PackError(
                f"{self.folder} lacks {', '.join(missing[:_MISSING_SHOWN])}{more}. It may be a hub cache, or "
                "hold the files below owner/name/, owner--name/, name/ or at its top."
            )
        return [_described(file, path) for file, path in found.items() if path is not None]

    def fetch(self, wanted: SourceFile, part: Path) -> None:
        """Copy; the folder stays as it is.

        Raises:
            PackError: it cannot be read, or the copy not be written.
        """
        try:
            shutil.copyfile(wanted.origin, part)
        except OSError as error:
            raise PackError(f"{wanted.origin} could not be copied to {part} ({error}).") from error

    def _find(self, file: HubFile) -> Path | None:
        return next((path for path in self._places(file) if path.is_file()), None)

    def _places(self, file: HubFile) -> Iterator[Path]:
        owner, _, name = file.repository.partition("/")
        for cache in (self.folder, self.folder / "hub"):
            snapshots = cache / f"models--{owner}--{name}" / "snapshots"
            if file.revision is not None:
                yield snapshots / file.revision / file.path
            else:
                yield from sorted(snapshots.glob(f"*/{file.path}"))
        for below in (f"{owner}/{name}", f"{owner}--{name}", name, ""):
            yield self.folder / below / file.path


def _described(file: HubFile, path: Path) -> SourceFile:
    # The hub's cache calls a file's content by its ETag and links to it.
    fingerprint = path.resolve().name if path.is_symlink() else None
    return require_expected(SourceFile(file, path.stat().st_size, fingerprint, str(path)))
