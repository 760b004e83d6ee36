"""The public packs that can be downloaded: one JSON file each in backend/packs/public/.

A catalogue entry says where the files come from and under which terms; once a pack is installed, its
manifest.json (packs.manifest) says what it is. Neither size nor hash is made up: what could not be looked up
is null, with the reason beside it, and is then held against what the hub itself states for the pinned
revision and, always, against the networks' own parameter lists.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend.errors import PackError
from backend.packs.manifest import require_plain

PUBLIC_FOLDER = Path(__file__).parent / "public"
FORMAT = 1


@dataclass(frozen=True)
class Licence:
    """One licence and what it covers."""

    covers: str
    """Such as "weights of Zero123++ v1.2"."""
    spdx: str
    url: str
    """Where its text can be read."""
    terms: str
    """What it asks of the user, in a sentence."""


@dataclass(frozen=True)
class Requirements:
    """What the pack needs where it runs."""

    vram_gb: float
    """GPU memory that inference with the default settings needs."""
    memory_gb: float
    """Main memory without a GPU."""


@dataclass(frozen=True)
class HubFile:
    """One file of a public pack: where it comes from and what it becomes."""

    role: str
    """What the pack's loader knows it by, such as "unet"."""
    name: str
    """In the installed pack, relative to its folder."""
    repository: str
    """On the hub, owner/name."""
    revision: str | None
    """Commit hash; None where it could not be looked up: the branch main is then pinned at download."""
    path: str
    """In the repository."""
    size: int | None
    """Bytes, as downloaded."""
    sha256: str | None
    """Of the file as downloaded."""
    estimated_size: int
    """Bytes for planning: `size` or, where that is unknown, what the parameters need."""
    strip: str | None = None
    """Prefix of the names to keep in a pickled checkpoint; the others are training leftovers."""
    drop: tuple[str, ...] = ()
    """Names that hold one of these words are left out of a converted checkpoint."""
    note: str | None = None
    """Why something is null, or where the numbers are from."""

    @property
    def is_pickled(self) -> bool:
        """Whether the file is a torch checkpoint that is converted to safetensors when installed."""
        return Path(self.path).suffix in (".ckpt", ".bin", ".pth", ".pt")


@dataclass(frozen=True)
class PublicPack:
    """Everything a person wants to know before the download."""

    name: str
    kind: str
    """Which code loads it (packs.loading.LOADERS) and which networks it holds (packs.public_networks)."""
    route: str | None
    """The pipeline's way from image to asset that the pack serves; None where it helps every way."""
    summary: str
    licence: str
    """SPDX expression of the weights, for the installed manifest."""
    licences: tuple[Licence, ...]
    requirements: Requirements
    files: tuple[HubFile, ...]

    @property
    def download_size(self) -> int:
        """Bytes to download, estimated where a file's size is unknown."""
        return sum(file.estimated_size for file in self.files)

    @property
    def disk_size(self) -> int:
        """Bytes needed while installing: what stays, and the largest checkpoint beside its conversion."""
        converted = [file.estimated_size for file in self.files if file.is_pickled]
        return self.download_size + max(converted, default=0)


def catalogue(folder: Path = PUBLIC_FOLDER) -> dict[str, PublicPack]:
    """All public packs by name, sorted."""
    return {path.stem: _read(path) for path in sorted(folder.glob("*.json"))}


def find_public_pack(name: str, folder: Path = PUBLIC_FOLDER) -> PublicPack:
    """One pack of the catalogue.

    Raises:
        PackError: no such pack; the message lists those that exist.
    """
    packs = catalogue(folder)
    if name not in packs:
        raise PackError(f"There is no pack {name!r} to download. Choose one of: {', '.join(packs)}.")
    return packs[name]


def _read(path: Path) -> PublicPack:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["format"] != FORMAT:
            raise PackError(f"{path} has format {data['format']!r}, this Bozzetto reads format {FORMAT}.")
        pack = PublicPack(
            name=path.stem,
            kind=data["kind"],
            route=data["route"],
            summary=data["summary"],
            licence=data["licence"],
            licences=tuple(Licence(**licence) for licence in data["licences"]),
            requirements=Requirements(**data["requirements"]),
            files=tuple(_hub_file(file, data["revisions"]) for file in data["files"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PackError(
            f"{path} is no catalogue entry ({type(error).__name__}: {error}). Install Bozzetto again."
        ) from error
    for file in pack.files:
        require_plain(file.name, path)
        require_plain(file.path, path)
    return pack


def _hub_file(data: dict[str, Any], revisions: dict[str, str | None]) -> HubFile:
    size = data["size"]
    return HubFile(
        role=data["role"],
        name=data["name"],
        repository=data["repository"],
        revision=revisions[data["repository"]],
        path=data["path"],
        size=size,
        sha256=data["sha256"],
        estimated_size=data["estimated_size"] if size is None else size,
        strip=data.get("strip"),
        drop=tuple(data.get("drop", ())),
        note=data.get("note"),
    )
