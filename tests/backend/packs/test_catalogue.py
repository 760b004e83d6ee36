"""What the catalogue promises of every public pack."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from backend.errors import PackError
from backend.packs.catalogue import PublicPack, catalogue, find_public_pack
from backend.packs.loading import LOADERS
from backend.packs.manifest import AUXILIARY_KINDS, PACKS_FOLDER, known_packs
from backend.packs.public_networks import KINDS
from backend.protocol import ROUTES

PACKS = list(catalogue().values())


@pytest.mark.parametrize("pack", PACKS, ids=lambda pack: pack.name)
def test_an_entry_is_complete(pack: PublicPack) -> None:
    assert pack.kind in KINDS
    assert (pack.kind in LOADERS) == (pack.route in ROUTES) == (pack.kind not in AUXILIARY_KINDS)
    assert pack.name not in known_packs(PACKS_FOLDER)
    assert pack.summary.endswith(".")
    assert pack.licence
    assert all(licence.url.startswith("https://") and licence.terms for licence in pack.licences)
    assert len({file.role for file in pack.files}) == len({file.name for file in pack.files})
    for file in pack.files:
        assert file.estimated_size > 0
        assert file.revision is None or re.fullmatch("[0-9a-f]{40}", file.revision)
        assert file.sha256 is None or re.fullmatch("[0-9a-f]{64}", file.sha256)
        assert not file.is_pickled or file.name.endswith(".safetensors")
        weighs_much = file.estimated_size > 1_000_000
        if weighs_much and (file.size is None or file.sha256 is None or file.revision is None):
            assert file.note, f"{file.name} does not say why something is unknown"


def test_disk_needed_counts_the_largest_checkpoint_twice() -> None:
    pack = find_public_pack("zero123plus-instantmesh")
    unet = next(file for file in pack.files if file.role == "unet")
    assert pack.disk_size == pack.download_size + unet.estimated_size
    plain = find_public_pack("openlrm-mix-base")
    assert plain.disk_size == plain.download_size


def test_an_unknown_pack_is_told_those_there_are() -> None:
    with pytest.raises(PackError, match=r"no pack 'nano' to download.*triposr"):
        find_public_pack("nano")


@pytest.mark.parametrize("text", ["", "[]", '{"format": 1}', '{"format": 2}'])
def test_a_broken_entry_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "broken.json").write_text(text)
    with pytest.raises(PackError, match=r"broken\.json"):
        catalogue(tmp_path)


@pytest.mark.parametrize("key", ["name", "path"])
def test_names_that_leave_the_folder_are_refused(tmp_path: Path, key: str) -> None:
    data = json.loads((PACKS_FOLDER / "public" / "triposr.json").read_text())
    data["files"][0][key] = "../secret"
    (tmp_path / "triposr.json").write_text(json.dumps(data))
    with pytest.raises(PackError, match="outside the pack"):
        catalogue(tmp_path)
