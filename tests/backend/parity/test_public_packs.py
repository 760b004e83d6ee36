"""Public packs as they would lie on the disk: files of full size and names, with nothing in them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from backend.errors import PackError
from backend.packs.catalogue import PublicPack, catalogue, find_public_pack
from backend.packs.networks import check_networks

ZERO123PLUS = {
    "unet": "zero123plus_v1.2_unet",
    "controlnet": "zero123plus_controlnet",
    "vae": "zero123plus_v1.2_vae",
    "text_encoder": "zero123plus_v1.2_text_encoder",
    "vision_encoder": "zero123plus_v1.2_vision_encoder",
    "reconstructor": "instant_mesh_large",
}
PACKS = sorted(name for name, pack in catalogue().items() if pack.route is not None)


def manifest_names(pack: PublicPack) -> Mapping[str, str]:
    """Which parameter list each weights file of a pack is held to, by role."""
    if pack.kind == "zero123plus-instantmesh":
        return ZERO123PLUS
    return {"reconstructor": "triposr" if pack.kind == "triposr" else f"openlrm_{pack.name[12:]}_1.1"}


def write_hollow(path: Path, shapes: Mapping[str, Sequence[int]]) -> None:
    """A safetensors file of float32 that takes no room: its tensors are a hole in the file."""
    header: dict[str, Any] = {}
    end = 0
    for name, shape in shapes.items():
        begin, end = end, end + 4 * math.prod(shape)
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    with path.open("wb") as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        stream.truncate(8 + len(text) + end)


def lay_out(pack: PublicPack, manifests: Path, folder: Path) -> dict[str, Path]:
    """The pack's weights and configurations by role."""
    files = {file.role: folder / file.name.replace("/", "_") for file in pack.files}
    for role, name in manifest_names(pack).items():
        manifest = json.loads((manifests / f"{name}.json").read_text())
        prefix = manifest["meta"].get("key_prefix_in_ckpt", "")
        write_hollow(files[role], {key.removeprefix(prefix): s for key, s in manifest["tensors"].items()})
        config = files.get(f"{role}_config", files.get("config"))
        if config is not None:
            config.write_text(json.dumps(manifest["meta"]["config"]))
    return files


@pytest.mark.parametrize("name", PACKS)
def test_every_file_of_a_pack_fits_its_network(name: str, manifests: Path, tmp_path: Path) -> None:
    pack = find_public_pack(name)
    check_networks(pack.kind, lay_out(pack, manifests, tmp_path))


@pytest.mark.parametrize("name", PACKS)
def test_estimated_sizes_are_those_of_the_parameters(name: str, manifests: Path) -> None:
    pack = find_public_pack(name)
    files = {file.role: file for file in pack.files}
    for role, manifest_name in manifest_names(pack).items():
        shapes = json.loads((manifests / f"{manifest_name}.json").read_text())["tensors"].values()
        each = files[role].estimated_size / sum(math.prod(shape) for shape in shapes)
        assert each == pytest.approx(round(each), rel=1e-3)
        assert round(each) in (2, 4), "float16 or float32"


def test_a_file_of_another_network_is_refused(manifests: Path, tmp_path: Path) -> None:
    pack = find_public_pack("zero123plus-instantmesh")
    files = lay_out(pack, manifests, tmp_path)
    base = json.loads((manifests / "instant_mesh_base.json").read_text())["tensors"]
    write_hollow(files["reconstructor"], {key.removeprefix("lrm_generator."): s for key, s in base.items()})
    with pytest.raises(PackError, match=r"instantmesh_model\.safetensors .*transformer\.layers\.12"):
        check_networks(pack.kind, files)
