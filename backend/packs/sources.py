"""Where the files of a public pack come from: the hub (packs.hub) or a folder (packs.local_folder)."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from backend.errors import PackError
from backend.packs.catalogue import HubFile, PublicPack
from backend.packs.manifest import sha256_of

_SHA256 = re.compile(r"[0-9a-f]{64}")
_GIT_BLOB = re.compile(r"[0-9a-f]{40}")
_CHUNK = 1 << 20
_OTHER_FILE = "Bozzetto was made for another file: update Bozzetto, or fetch the pinned revision."


@dataclass(frozen=True)
class SourceFile:
    """A file that a source can provide, with what the source itself states about it."""

    file: HubFile
    size: int
    """Bytes."""
    fingerprint: str | None
    """The hub's ETag: a sha256 for large files, git's blob id for small ones; None where unknown."""
    origin: str
    """Where it lies, for messages."""
    commit: str | None = None
    """Of the hub's repository."""


class Source(Protocol):
    """Provides a pack's files."""

    def plan(self, pack: PublicPack) -> list[SourceFile]:
        """What would be fetched, in the pack's order. Raises PackError if anything cannot be had."""

    def fetch(self, wanted: SourceFile, part: Path) -> None:
        """Bring the file to `part`, going on where an earlier attempt left it. Raises PackError."""


def require_expected(found: SourceFile) -> SourceFile:
    """Hold what the source states against the catalogue, before any download; gives it back.

    Raises:
        PackError: another size or hash than the catalogue's.
    """
    wanted = found.file
    if wanted.size is not None and found.size != wanted.size:
        raise PackError(f"{found.origin} has {found.size} bytes, the pack wants {wanted.size}. {_OTHER_FILE}")
    if wanted.sha256 and _is_sha256(found.fingerprint) and found.fingerprint != wanted.sha256:
        raise PackError(
            f"{found.origin} has sha256 {found.fingerprint}, the pack wants {wanted.sha256}. {_OTHER_FILE}"
        )
    return found


def check_content(path: Path, wanted: SourceFile) -> str:
    """Hold a fetched file against size, catalogue and fingerprint; its sha256 is given back.

    Raises:
        PackError: says what was found and what was wanted.
    """
    size = path.stat().st_size
    if size != wanted.size:
        raise PackError(
            f"{wanted.origin} came with {size} bytes, wanted {wanted.size}. Run the command again."
        )
    found = sha256_of(path)
    expected = wanted.file.sha256 or (wanted.fingerprint if _is_sha256(wanted.fingerprint) else None)
    if expected is not None and found != expected:
        raise PackError(
            f"{wanted.origin} came damaged: its sha256 is {found}, wanted {expected}. Run the command again."
        )
    if expected is None and wanted.fingerprint and _GIT_BLOB.fullmatch(wanted.fingerprint):
        blob = _git_blob_id(path, size)
        if blob != wanted.fingerprint:
            raise PackError(
                f"{wanted.origin} came damaged: git calls its content {blob}, the hub {wanted.fingerprint}. "
                "Run the command again."
            )
    return found


def _is_sha256(fingerprint: str | None) -> bool:
    return fingerprint is not None and _SHA256.fullmatch(fingerprint) is not None


def _git_blob_id(path: Path, size: int) -> str:
    """What git calls a file of this content: the sha1 of a header and the bytes."""
    digest = hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
