"""A pack's manifest: which files make the pack, their sizes and hashes, and their licence.

backend/packs/nano/           shipped; downloaded packs lie likewise in the user's folder (settings.py)
    manifest.json             this file's subject
    *.safetensors, *.json     the weights and their configuration
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from backend.errors import PackError
from backend.protocol import LRM, MULTIVIEW
from backend.settings import user_packs_folder

PACKS_FOLDER = Path(__file__).parent
MANIFEST_NAME = "manifest.json"
FORMAT = 1
AUXILIARY_KINDS = ("foreground", "marigold-iid")
"""Packs that help others: no asset is made with one of these alone."""
LRM_KINDS = ("triposr", "openlrm")
"""Packs that go straight from the image to the field."""


@dataclass(frozen=True)
class PackFile:
    """One file of a pack, named relative to the pack's folder."""

    name: str
    size: int
    sha256: str
    role: str | None = None
    """What the pack's loader knows the file by, such as "unet"; None where it goes by the name."""


@dataclass(frozen=True)
class PackManifest:
    name: str
    licence: str
    """SPDX expression of the weights' licence."""
    summary: str
    """One line for the user."""
    files: tuple[PackFile, ...]
    kind: str = "nano"
    """Which code loads the pack (see packs.loading.LOADERS)."""

    @property
    def route(self) -> str | None:
        """The way from image to asset that the pack serves, one of protocol.ROUTES; None for a helper."""
        if self.kind in AUXILIARY_KINDS:
            return None
        return LRM if self.kind in LRM_KINDS else MULTIVIEW

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(file.size for file in self.files)

    @property
    def revision(self) -> str:
        """Twelve hexadecimal digits that change with any byte of any file."""
        bytes_of = [{"name": file.name, "sha256": file.sha256, "size": file.size} for file in self.files]
        listing = json.dumps(bytes_of, sort_keys=True)
        return hashlib.sha256(listing.encode()).hexdigest()[:12]


def installed_packs(packs_folder: Path | None = None) -> list[str]:
    """Names of the packs in `packs_folder` (the user's, when None) and of those shipped, sorted."""
    folders = _searched(packs_folder)
    return sorted({path.parent.name for folder in folders for path in folder.glob(f"[!.]*/{MANIFEST_NAME}")})


def known_packs(packs_folder: Path | None = None) -> list[str]:
    """Those of `installed_packs` that assets can be made with, and those whose manifest is unreadable."""
    return [name for name in installed_packs(packs_folder) if not _is_auxiliary(name, packs_folder)]


def find_pack(name: str, packs_folder: Path | None = None) -> Path:
    """The folder of a pack, looked for in `packs_folder` (the user's, when None), then among those shipped.

    Raises:
        PackError: no such pack; the message lists those that exist.
    """
    if name not in installed_packs(packs_folder):
        known = known_packs(packs_folder)
        raise PackError(
            f"There is no pack {name!r}. Choose one of: {', '.join(known) or '(none installed)'}. "
            "Others can be downloaded, see: python -m backend packs list"
        )
    return next(
        folder / name for folder in _searched(packs_folder) if (folder / name / MANIFEST_NAME).is_file()
    )


def files_by_role(folder: Path) -> dict[str, Path]:
    """The path of each file of an installed pack that has a role.

    Raises:
        PackError: no readable manifest.
    """
    return {file.role: folder / file.name for file in read_manifest(folder).files if file.role is not None}


def read_manifest(folder: Path) -> PackManifest:
    """The manifest of the pack in `folder`; the files themselves are not looked at.

    Raises:
        PackError: no manifest, or one that cannot be read.
    """
    path = folder / MANIFEST_NAME
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["format"] != FORMAT:
            raise PackError(
                f"{path} has format {data['format']!r}, this Bozzetto reads format {FORMAT}. "
                "Install the Bozzetto that the pack was made for."
            )
        files = tuple(
            PackFile(str(f["name"]), int(f["size"]), str(f["sha256"]), f.get("role")) for f in data["files"]
        )
        manifest = PackManifest(
            str(data["name"]),
            str(data["licence"]),
            str(data["summary"]),
            files,
            str(data.get("kind", PackManifest.kind)),
        )
    except FileNotFoundError as error:
        raise PackError(f"{path} is missing, so {folder.name!r} is no pack. {_remedy(folder)}") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PackError(
            f"{path} cannot be read ({type(error).__name__}: {error}). {_remedy(folder)}"
        ) from error
    for file in manifest.files:
        require_plain(file.name, path)
    return manifest


def verify(folder: Path) -> PackManifest:
    """Read the manifest and hold each file against it.

    Raises:
        PackError: names the first file that is missing, has another size or another hash.
    """
    manifest = read_manifest(folder)
    for file in manifest.files:
        path = folder / file.name
        if not path.is_file():
            raise PackError(f"{path} is missing from the pack {manifest.name!r}. {_remedy(folder)}")
        size = path.stat().st_size
        if size != file.size:
            raise PackError(f"{path} has {size} bytes, the manifest wants {file.size}. {_remedy(folder)}")
        found = sha256_of(path)
        if found != file.sha256:
            raise PackError(f"{path} has sha256 {found}, the manifest wants {file.sha256}. {_remedy(folder)}")
    return manifest


def write_manifest(
    folder: Path, *, licence: str, summary: str, files: list[str] | None = None
) -> PackManifest:
    """Hash the pack's files and write manifest.json; the pack is called like its folder.

    `files` are names relative to `folder`; all .safetensors and .json files when None.
    """
    if files is None:
        found = [path for pattern in ("*.safetensors", "*.json") for path in folder.rglob(pattern)]
        files = [path.relative_to(folder).as_posix() for path in found if path.name != MANIFEST_NAME]
    entries = tuple(hashed_file(folder, name) for name in sorted(files))
    manifest = PackManifest(folder.name, licence, summary, entries)
    save_manifest(folder, manifest)
    return manifest


def hashed_file(folder: Path, name: str, role: str | None = None) -> PackFile:
    """The manifest's entry for a file that is there."""
    path = folder / name
    return PackFile(name, path.stat().st_size, sha256_of(path), role)


def save_manifest(folder: Path, manifest: PackManifest) -> None:
    """Write manifest.json in one step: it is there whole or not at all."""
    path = folder / MANIFEST_NAME
    part = path.with_suffix(".part")
    part.write_text(json.dumps({"format": FORMAT, **asdict(manifest)}, indent=2) + "\n", encoding="utf-8")
    part.replace(path)


def sha256_of(path: Path) -> str:
    """Hexadecimal sha256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def require_plain(name: str, manifest: Path) -> None:
    """A manifest may come from elsewhere: its names must stay inside its folder."""
    parts = PurePosixPath(name).parts
    if not parts or PurePosixPath(name).is_absolute() or ".." in parts or "\\" in name or "\0" in name:
        raise PackError(
            f"{manifest} names the file {name!r}, which lies outside the pack. {_remedy(manifest.parent)}"
        )


def _is_auxiliary(name: str, packs_folder: Path | None) -> bool:
    try:
        return read_manifest(find_pack(name, packs_folder)).kind in AUXILIARY_KINDS
    except PackError:
        return False  # using it will say what is wrong


def _searched(packs_folder: Path | None) -> tuple[Path, Path]:
    return (packs_folder or user_packs_folder(), PACKS_FOLDER)


def _remedy(folder: Path) -> str:
    if folder.parent == PACKS_FOLDER:
        return (
            "Restore the pack with `git checkout -- backend/packs` or install Bozzetto again, "
            "then check with `python -m backend packs verify`."
        )
    return f"Install the pack again: python -m backend packs download {folder.name}"
