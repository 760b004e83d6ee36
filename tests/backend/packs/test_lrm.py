"""The single-image packs at a tiny size: read from files, and through the whole pipeline."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.errors import OptionError, PackError
from backend.packs import public_networks
from backend.packs.loading import LrmPack, load_any_pack, load_pack
from backend.packs.lrm import assemble_lrm
from backend.pipeline.artifacts import write_asset
from backend.pipeline.image_to_asset import image_to_asset
from backend.pipeline.stage_data import Options
from tests.backend.packs.tiny_lrm_packs import (
    GRID,
    OPENLRM_IMAGE_SIZE,
    TRIPOSR,
    tiny_openlrm,
    tiny_triposr,
    write_tiny_openlrm,
    write_tiny_triposr,
)
from tests.backend.pipeline.true_pack import Recorder, picture_of_the_sphere

CPU = torch.device("cpu")
OPTIONS = Options(faces=400, texture_size=64)
STAGES = ("foreground", "field", "mesh", "textures", "export")


def tiny_pack(name: str) -> LrmPack:
    if name == "triposr":
        return assemble_lrm(tiny_triposr(), CPU, name="triposr", revision="test", grid=GRID)
    return assemble_lrm(tiny_openlrm(), CPU, name="openlrm", revision="test", grid=GRID)


@pytest.fixture
def packs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(public_networks, "TripoSRConfig", lambda: TRIPOSR)
    monkeypatch.setattr(public_networks, "OPENLRM_IMAGE_SIZES", {16: OPENLRM_IMAGE_SIZE})
    write_tiny_triposr(tmp_path / "triposr")
    write_tiny_openlrm(tmp_path / "openlrm")
    return tmp_path


@pytest.mark.parametrize("name", ["triposr", "openlrm"])
def test_the_whole_path(name: str, tmp_path: Path) -> None:
    progress, pack = Recorder(), tiny_pack(name)
    asset = image_to_asset(picture_of_the_sphere(), OPTIONS, pack, progress)
    assert asset.route == "lrm"
    # An untrained OpenLRM is noise finer than this grid, which nothing can close within 400 faces.
    assert asset.mesh.watertight or name == "openlrm"
    assert 4 <= len(asset.mesh.faces) <= 400
    assert asset.glb[:4] == b"glTF"
    assert tuple(dict.fromkeys(stage for stage, _ in progress.heard)) == STAGES
    assert tuple(asset.seconds) == STAGES
    for stage in STAGES:
        own = [fraction for heard, fraction in progress.heard if heard == stage]
        assert own == sorted(own)
        assert own[-1] == 1

    files = write_asset(asset, tmp_path, name="ball", options=OPTIONS, pack=pack)
    assert not any("views" in file.parts for file in files)
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["route"], report["pack"], report["views"]) == ("lrm", name, 0)
    assert report["estimated_elevation_degrees"] is None
    assert report["materials"] == {"source": "defaults", "roughness": 0.6, "metallic": 0.0}
    maps = asset.textured.maps
    assert (maps.roughness == 153).all()
    assert (maps.metallic == 0).all()


@pytest.mark.parametrize("name", ["triposr", "openlrm"])
def test_files_give_the_pack_that_they_were_written_from(packs: Path, name: str) -> None:
    loaded, built = load_any_pack(name, CPU, packs), tiny_pack(name)
    assert isinstance(loaded, LrmPack)
    assert (loaded.name, loaded.materials) == (name, None)
    reference = np.full((40, 40, 4), 200, np.uint8)
    points = torch.rand(50, 3) - 0.5
    fields = [pack.reconstructor.reconstruct(reference).sample(points) for pack in (loaded, built)]
    assert torch.equal(fields[0].sdf, fields[1].sdf)
    assert torch.equal(fields[0].albedo, fields[1].albedo)


def test_a_file_of_the_other_model_is_refused(packs: Path) -> None:
    weights = (packs / "openlrm" / "model.safetensors").read_bytes()
    (packs / "triposr" / "model.safetensors").write_bytes(weights)
    with pytest.raises(PackError, match="the manifest wants"):
        load_any_pack("triposr", CPU, packs)


def test_another_route_than_the_packs_is_refused() -> None:
    options = Options(route="multiview")
    progress = Recorder()
    with pytest.raises(OptionError, match="'triposr' goes the route 'lrm'"):
        image_to_asset(picture_of_the_sphere(), options, tiny_pack("triposr"), progress)
    assert progress.heard == []


def test_who_needs_views_does_not_get_this_pack(packs: Path) -> None:
    with pytest.raises(PackError, match="makes no views"):
        load_pack("triposr", CPU, packs)
