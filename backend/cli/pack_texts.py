"""What `packs` tells about packs, as text."""

from __future__ import annotations

from pathlib import Path

from backend.errors import PackError
from backend.packs.catalogue import HubFile, PublicPack, catalogue
from backend.packs.manifest import PACKS_FOLDER, PackManifest, find_pack, installed_packs, read_manifest
from backend.packs.sizes import size_text


def pack_table(packs_folder: Path) -> str:
    """One line for each pack, installed or not: name, state, size, licence, summary."""
    rows = [("NAME", "STATE", "SIZE", "LICENCE", "WHAT IT IS")]
    public = catalogue()
    installed = installed_packs(packs_folder)
    for name in installed:
        rows.append((name, *_installed_row(find_pack(name, packs_folder))))
    for name, pack in public.items():
        if name not in installed:
            rows.append((name, "to download", _public_size(pack), pack.licence, pack.summary))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        "  ".join([*(text.ljust(width) for text, width in zip(row, widths, strict=False)), row[4]])
        for row in rows
    )


def _installed_row(folder: Path) -> tuple[str, str, str, str]:
    try:
        manifest = read_manifest(folder)
    except PackError as error:
        return "damaged", "", "", str(error)
    state = "shipped" if folder.parent == PACKS_FOLDER else "installed"
    return state, size_text(manifest.size), manifest.licence, manifest.summary


def describe_pack(name: str, packs_folder: Path) -> str:
    """Everything about one pack.

    Raises:
        PackError: no such pack, installed or public.
    """
    pack = catalogue().get(name)
    if pack is None or name in installed_packs(packs_folder):
        folder = find_pack(name, packs_folder)
        texts = [_installed(read_manifest(folder), folder)]
    else:
        texts = [f"{name}: not installed; it would lie in {packs_folder / name}", pack.summary]
    if pack is not None:
        texts += [_needs(pack), licence_texts(pack), _files(pack)]
    return "\n\n".join(texts)


def licence_texts(pack: PublicPack) -> str:
    """What has to be accepted before the download."""
    return f"Licences of {pack.name}:\n" + "\n".join(
        f"  {licence.spdx}: {licence.covers}.\n    {licence.terms}\n    {licence.url}"
        for licence in pack.licences
    )


def _installed(manifest: PackManifest, folder: Path) -> str:
    files = "\n".join(f"  {size_text(file.size):>10}  {file.name}" for file in manifest.files)
    return (
        f"{manifest.name}: in {folder}, revision {manifest.revision}, {size_text(manifest.size)}\n"
        f"{manifest.summary}\nLicence: {manifest.licence}\nFiles:\n{files}"
    )


def _needs(pack: PublicPack) -> str:
    needs = pack.requirements
    route = f"--route {pack.route}" if pack.route else "every route"
    return (
        f"Serves: {route}\n"
        f"Download: {_public_size(pack)}; disk while installing: {size_text(pack.disk_size)}\n"
        f"GPU memory: about {needs.vram_gb:g} GB; main memory without a GPU: about {needs.memory_gb:g} GB"
    )


def _files(pack: PublicPack) -> str:
    lines = []
    for file in pack.files:
        size = size_text(file.estimated_size)
        lines.append(f"  {size if file.size else f'~{size}':>10}  {file.name}")
        lines.append(f"{'':14}from {_origin(file)}")
        lines.append(f"{'':14}sha256 {file.sha256}" if file.sha256 else f"{'':14}sha256 as the hub states it")
        if file.note:
            lines.append(f"{'':14}{file.note}")
    return "Files:\n" + "\n".join(lines)


def _origin(file: HubFile) -> str:
    revision = f"at {file.revision[:12]}" if file.revision else "at the newest commit"
    converted = ", converted to safetensors" if file.is_pickled else ""
    return f"{file.repository}/{file.path} {revision}{converted}"


def _public_size(pack: PublicPack) -> str:
    exact = all(file.size for file in pack.files)
    return ("" if exact else "~") + size_text(pack.download_size)
