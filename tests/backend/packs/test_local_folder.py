"""Packs from files that somebody has downloaded already."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import save

from backend.errors import PackError
from backend.packs import installing
from backend.packs.catalogue import PublicPack
from backend.packs.installing import install
from backend.packs.local_folder import FolderSource
from backend.packs.manifest import verify
from tests.backend.packs.hub_server import COMMIT, Hub
from tests.backend.packs.miniature import CHECKPOINT, CONFIG, WEIGHTS, layer_state, training_checkpoint

FILES = {CONFIG: b"{}", WEIGHTS: save(layer_state(0)), CHECKPOINT: training_checkpoint()}


def _plain(folder: Path, name: str) -> Path:
    return folder / name


def _double_dash(folder: Path, name: str) -> Path:
    return folder / name.replace("/", "--", 1)


def _without_owner(folder: Path, name: str) -> Path:
    return folder / name.partition("/")[2]


def _flat(folder: Path, name: str) -> Path:
    return folder / name.split("/", 2)[2]


def _cache(folder: Path, name: str) -> Path:
    owner, repository, path = name.split("/", 2)
    return folder / f"models--{owner}--{repository}" / "snapshots" / COMMIT / path


def _hub_home(folder: Path, name: str) -> Path:
    return _cache(folder / "hub", name)


@pytest.mark.parametrize("place", [_plain, _double_dash, _without_owner, _flat, _cache, _hub_home])
def test_files_are_found_where_tools_leave_them(
    pack: PublicPack, packs_folder: Path, tmp_path: Path, place: Callable[[Path, str], Path]
) -> None:
    source = tmp_path / "downloads"
    for name, content in FILES.items():
        path = place(source, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    install(pack, FolderSource(source), packs_folder, lambda text: None)
    verify(packs_folder / "tiny")
    assert all(place(source, name).read_bytes() == content for name, content in FILES.items())


def linked_cache(hub: Hub, folder: Path) -> Path:
    """A cache as huggingface-hub keeps it: blobs under their ETags, snapshots that link to them."""
    for name, content in hub.files.items():
        link = _cache(folder, name)
        blob = link.parents[link.parts[::-1].index("snapshots")] / "blobs" / hub.etag(name)
        blob.parent.mkdir(parents=True, exist_ok=True)
        link.parent.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(content)
        link.symlink_to(blob)
    return folder


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS, CHECKPOINT])
def test_a_cache_s_own_hashes_are_held_against_its_files(
    pack: PublicPack, hub: Hub, packs_folder: Path, tmp_path: Path, name: str
) -> None:
    source = linked_cache(hub, tmp_path / "downloads")
    content = bytearray(hub.files[name])
    content[0] ^= 1
    _cache(source, name).resolve().write_bytes(content)
    with pytest.raises(PackError, match="came damaged"):
        install(pack, FolderSource(source), packs_folder, lambda text: None)
    _cache(source, name).resolve().write_bytes(hub.files[name])
    install(pack, FolderSource(source), packs_folder, lambda text: None)
    verify(packs_folder / "tiny")


def test_a_begun_installation_takes_no_file_for_another(
    pack: PublicPack, packs_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the same name and size, and nothing known of their content."""
    source = tmp_path / "downloads"
    for name, content in FILES.items():
        path = _plain(source, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    _plain(source, CONFIG).write_bytes(b"[]")
    with monkeypatch.context() as during:
        during.setattr(installing, "_check_networks", refuse)
        with pytest.raises(PackError, match="interrupted"):
            install(pack, FolderSource(source), packs_folder, lambda text: None)
    _plain(source, CONFIG).write_bytes(b"{}")
    install(pack, FolderSource(source), packs_folder, lambda text: None)
    assert (packs_folder / "tiny" / "config.json").read_bytes() == b"{}"


def refuse(*_: object) -> None:
    raise PackError("interrupted")


def test_another_commit_than_the_pinned_is_not_taken(
    pack: PublicPack, hub: Hub, packs_folder: Path, tmp_path: Path
) -> None:
    source = linked_cache(hub, tmp_path / "downloads")
    pinned = replace(pack, files=tuple(replace(file, revision="f" * 40) for file in pack.files))
    with pytest.raises(PackError, match=r"lacks owner/views/config\.json"):
        install(pinned, FolderSource(source), packs_folder, lambda text: None)


def test_all_missing_files_are_named(pack: PublicPack, packs_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(PackError) as raised:
        install(pack, FolderSource(tmp_path), packs_folder, lambda text: None)
    assert "lacks owner/views/unet/weights.safetensors, owner/mesh/mesh.ckpt." in str(raised.value)
    with pytest.raises(PackError, match="There is no folder"):
        install(pack, FolderSource(tmp_path / "nowhere"), packs_folder, lambda text: None)


def test_a_wrong_file_is_refused_by_the_catalogue_s_size(
    pack: PublicPack, packs_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text("{}")
    strict = replace(pack, files=(replace(pack.files[0], size=3),))
    with pytest.raises(PackError, match="has 2 bytes, the pack wants 3"):
        install(strict, FolderSource(tmp_path), packs_folder, lambda text: None)
