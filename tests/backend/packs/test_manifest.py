from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import backend.packs.manifest as manifest_module
from backend.errors import PackError
from backend.packs.catalogue import PUBLIC_FOLDER, find_public_pack
from backend.packs.manifest import (
    PACKS_FOLDER,
    PackManifest,
    files_by_role,
    find_pack,
    hashed_file,
    installed_packs,
    known_packs,
    read_manifest,
    save_manifest,
    verify,
    write_manifest,
)


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    folder = tmp_path / "nano"
    (folder / "weights").mkdir(parents=True)
    (folder / "weights" / "views.safetensors").write_bytes(b"weights")
    (folder / "config.json").write_text("{}")
    (folder / "README.md").write_text("the model card")
    write_manifest(folder, licence="CC0-1.0", summary="small")
    return folder


def test_the_shipped_pack_is_called_what_its_folder_is() -> None:
    """It is exported elsewhere and copied, and messages call it by this name."""
    assert read_manifest(PACKS_FOLDER / "nano").name == "nano"


def test_what_is_written_is_read(pack: Path) -> None:
    manifest = read_manifest(pack)
    assert (manifest.name, manifest.licence, manifest.summary) == ("nano", "CC0-1.0", "small")
    assert [(file.name, file.size) for file in manifest.files] == [
        ("config.json", 2),
        ("weights/views.safetensors", 7),
    ]
    assert manifest.size == 9
    assert verify(pack) == manifest


def test_the_revision_follows_the_bytes_and_only_them(pack: Path) -> None:
    before = read_manifest(pack).revision
    assert write_manifest(pack, licence="MIT", summary="other words").revision == before
    (pack / "config.json").write_text("[]")
    assert write_manifest(pack, licence="MIT", summary="other words").revision != before


def _truncate(pack: Path) -> None:
    (pack / "config.json").write_bytes(b"{")


def _flip(pack: Path) -> None:
    (pack / "config.json").write_bytes(b"[]")


def _remove(pack: Path) -> None:
    (pack / "config.json").unlink()


@pytest.mark.parametrize(
    ("spoil", "text"),
    [(_truncate, "has 1 bytes, the manifest wants 2"), (_flip, "has sha256 4f53"), (_remove, "is missing")],
)
def test_a_spoilt_file_is_named_with_a_way_out(
    pack: Path, spoil: Callable[[Path], None], text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(pack)
    with pytest.raises(PackError, match=text) as caught:
        verify(pack)
    assert "config.json" in str(caught.value)
    assert "packs download nano" in str(caught.value)
    monkeypatch.setattr(manifest_module, "PACKS_FOLDER", pack.parent)
    with pytest.raises(PackError, match="git checkout"):
        verify(pack)


def test_a_wrong_hash_shows_both(pack: Path) -> None:
    wanted = read_manifest(pack).files[0].sha256
    _flip(pack)
    with pytest.raises(PackError, match=wanted):
        verify(pack)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"format": 1, "files": [{}]}', '{"format": 1, "files": 3}']
)
def test_a_broken_manifest_is_a_pack_error(pack: Path, text: str) -> None:
    (pack / "manifest.json").write_text(text)
    with pytest.raises(PackError, match="cannot be read"):
        read_manifest(pack)


def test_a_manifest_of_another_format_is_told(pack: Path) -> None:
    (pack / "manifest.json").write_text('{"format": 2}')
    with pytest.raises(PackError, match="format 2"):
        read_manifest(pack)


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/../../b", "", "a\\b", "a\0b"])
def test_names_that_leave_the_folder_are_refused(pack: Path, name: str) -> None:
    data = json.loads((pack / "manifest.json").read_text())
    data["files"][0]["name"] = name
    (pack / "manifest.json").write_text(json.dumps(data))
    with pytest.raises(PackError, match="outside the pack"):
        read_manifest(pack)


def test_unknown_packs_are_told_the_known_ones(pack: Path) -> None:
    (pack.parent / "no_manifest").mkdir()
    assert known_packs(pack.parent) == ["nano"]
    assert find_pack("nano", pack.parent) == pack
    for name in ("huge", "../nano", "no_manifest", ""):
        with pytest.raises(PackError, match="Choose one of: nano"):
            find_pack(name, pack.parent)


@pytest.mark.parametrize(
    ("kind", "route"), [("nano", "multiview"), ("openlrm", "lrm"), ("marigold-iid", None)]
)
def test_a_packs_kind_tells_its_route(kind: str, route: str | None) -> None:
    assert PackManifest("tiny", "CC0-1.0", "", (), kind).route == route


@pytest.mark.parametrize("path", sorted(PUBLIC_FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_the_catalogue_and_the_manifests_agree_on_routes(path: Path) -> None:
    public = find_public_pack(path.stem)
    assert PackManifest(path.stem, public.licence, "", (), public.kind).route == public.route


def test_a_folder_without_manifest_is_no_pack(tmp_path: Path) -> None:
    with pytest.raises(PackError, match="missing"):
        read_manifest(tmp_path)


def test_packs_that_only_help_others_are_not_offered(pack: Path) -> None:
    helper = pack.parent / "foreground"
    helper.mkdir()
    save_manifest(helper, PackManifest("foreground", "Apache-2.0", "helps", (), "foreground"))
    assert installed_packs(pack.parent) == ["foreground", "nano"]
    assert known_packs(pack.parent) == ["nano"]
    assert find_pack("foreground", pack.parent) == helper
    (helper / "manifest.json").write_text("{")
    assert known_packs(pack.parent) == ["foreground", "nano"], "whoever uses it is told what is wrong"


def test_roles_survive_writing_and_name_files(pack: Path) -> None:
    file = hashed_file(pack, "config.json", "config")
    save_manifest(pack, PackManifest("nano", "MIT", "roles", (file,), "triposr"))
    assert read_manifest(pack) == PackManifest("nano", "MIT", "roles", (file,), "triposr")
    assert files_by_role(pack) == {"config": pack / "config.json"}
