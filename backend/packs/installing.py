"""Install and remove public packs: fetched, verified and converted aside, then put in place in one step.

packs folder/
    zero123plus-instantmesh/                    whole, or not there
    .zero123plus-instantmesh.1f0c….part/        an unfinished installation: the next attempt goes on with it
        fetched/                                as it comes, *.part until verified
        pack/                                   verified and converted
"""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from backend.errors import PackError
from backend.packs.catalogue import PublicPack
from backend.packs.manifest import (
    PACKS_FOLDER,
    PackFile,
    PackManifest,
    hashed_file,
    known_packs,
    save_manifest,
    verify,
)
from backend.packs.sizes import size_text
from backend.packs.sources import Source, SourceFile, check_content

LICENCES_NAME = "LICENCES.txt"
Tell = Callable[[str], None]


def install(pack: PublicPack, source: Source, packs_folder: Path, tell: Tell) -> PackManifest:
    """Install a pack whose licences have been accepted; `tell` hears of each step.

    An installed pack that is not what its manifest says is replaced; a sound one is left alone.

    Raises:
        PackError: nothing was installed; what was fetched so far is kept for the next attempt.
    """
    folder = packs_folder / pack.name
    with _naming_trouble(packs_folder), _alone(packs_folder, pack.name):
        if folder.exists():
            try:
                return verify(folder)
            except PackError as error:
                tell(f"The installed {pack.name} is replaced: {error}")
        tell(f"{pack.name}: looking for {len(pack.files)} files")
        planned = source.plan(pack)
        staging = _staging(packs_folder, pack.name, planned)
        _require_room(planned, staging, packs_folder)
        files = [
            _bring(wanted, source, staging, tell, f"[{number}/{len(planned)}] {wanted.file.name}")
            for number, wanted in enumerate(planned, 1)
        ]
        tell(f"{pack.name}: holding the files against the networks' parameter lists")
        _check_networks(pack, staging / "pack")
        manifest = _write_manifest(pack, files, staging / "pack")
        _put_in_place(staging / "pack", folder)
        shutil.rmtree(staging)
        return manifest


def remove(name: str, packs_folder: Path) -> int:
    """Delete an installed pack, and what is left of unfinished installations; bytes freed.

    Raises:
        PackError: there is nothing of that name to remove.
    """
    folder, unfinished = packs_folder / name, _unfinished(packs_folder, name)
    if not folder.is_dir() and not unfinished:
        shipped = " It is part of Bozzetto." if name in known_packs(PACKS_FOLDER) else ""
        raise PackError(f"There is no pack {name!r} in {packs_folder}: nothing was removed.{shipped}")
    with _naming_trouble(packs_folder), _alone(packs_folder, name):
        if folder.is_dir():
            doomed = packs_folder / f".{name}.{secrets.token_hex(4)}.part"
            folder.rename(doomed)  # gone in one step, however long the deletion takes
            unfinished = [*unfinished, doomed]
        freed = sum(path.stat().st_size for part in unfinished for path in part.rglob("*") if path.is_file())
        for part in unfinished:
            shutil.rmtree(part)
    return freed


def _bring(wanted: SourceFile, source: Source, staging: Path, tell: Tell, label: str) -> PackFile:
    """Fetch, verify and, for a checkpoint, convert one file, unless an earlier attempt did."""
    file = wanted.file
    done, part = staging / "pack" / file.name, staging / "fetched" / f"{file.name}.part"
    # What has no fingerprint may be another file by now.
    if done.is_file() and (wanted.fingerprint or file.sha256):
        tell(f"{label}: already here")
        return hashed_file(staging / "pack", file.name, file.role)
    for path in (done, part):
        path.parent.mkdir(parents=True, exist_ok=True)
    tell(f"{label}: {size_text(wanted.size)} from {wanted.origin}")
    source.fetch(wanted, part)
    try:
        sha256 = check_content(part, wanted)
    except PackError:
        part.unlink()
        raise
    if not file.is_pickled:
        part.replace(done)
        return PackFile(file.name, wanted.size, sha256, file.role)
    from backend.packs.checkpoints import convert_checkpoint  # torch, which takes seconds to load

    tell(f"{label}: converting {file.path}")
    convert_checkpoint(part, file, done)
    part.unlink()
    return hashed_file(staging / "pack", file.name, file.role)


def _check_networks(pack: PublicPack, folder: Path) -> None:
    from backend.packs.networks import check_networks  # torch and diffusers

    check_networks(pack.kind, {file.role: folder / file.name for file in pack.files})


def _write_manifest(pack: PublicPack, files: Sequence[PackFile], folder: Path) -> PackManifest:
    terms = "\n\n".join(
        f"{licence.spdx}: {licence.covers}\n{licence.terms}\n{licence.url}" for licence in pack.licences
    )
    (folder / LICENCES_NAME).write_text(f"{pack.name}\n\n{terms}\n", encoding="utf-8")
    everything = (*files, hashed_file(folder, LICENCES_NAME))
    manifest = PackManifest(pack.name, pack.licence, pack.summary, everything, pack.kind)
    save_manifest(folder, manifest)
    return manifest


def _put_in_place(whole: Path, folder: Path) -> None:
    if folder.exists():
        replaced = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.part")
        folder.rename(replaced)
        whole.rename(folder)
        shutil.rmtree(replaced)
    else:
        whole.rename(folder)


def _staging(packs_folder: Path, name: str, planned: Sequence[SourceFile]) -> Path:
    """The folder for exactly these files; what was begun with others can never be completed and goes."""
    listing = json.dumps([[one.file.name, one.size, one.fingerprint] for one in planned])
    staging = packs_folder / f".{name}.{hashlib.sha256(listing.encode()).hexdigest()[:12]}.part"
    for other in _unfinished(packs_folder, name):
        if other != staging:
            shutil.rmtree(other)
    return staging


def _unfinished(packs_folder: Path, name: str) -> list[Path]:
    return sorted(packs_folder.glob(f".{name}.*.part"))


def _require_room(planned: Sequence[SourceFile], staging: Path, packs_folder: Path) -> None:
    """What is still to come must fit, with the largest checkpoint beside its conversion."""
    held = sum(path.stat().st_size for path in staging.rglob("*") if path.is_file())
    converted = max((one.size for one in planned if one.file.is_pickled), default=0)
    needed = sum(one.size for one in planned) + converted - held
    free = shutil.disk_usage(packs_folder).free
    if needed > free:
        raise PackError(
            f"{packs_folder} has {size_text(free)} free, {size_text(needed)} are needed. Make room, or "
            "choose another disk with --packs-folder or $BOZZETTO_PACKS."
        )


@contextmanager
def _alone(packs_folder: Path, name: str) -> Iterator[None]:
    """One process at a time works on a pack."""
    packs_folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(packs_folder / f".{name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise PackError(f"Another process is working on the pack {name}. Wait for it to end.") from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _naming_trouble(packs_folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise PackError(
            f"{packs_folder} cannot be used ({error}). Choose another with --packs-folder or $BOZZETTO_PACKS."
        ) from error
