"""Marigold at a tiny size: found beside a pack, read from files, and through the whole pipeline."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.errors import PackError
from backend.packs.loading import AnyPack
from backend.packs.lrm import assemble_lrm
from backend.packs.material_models import MATERIAL_PACK, load_marigold, material_model_beside
from backend.pipeline.artifacts import write_asset
from backend.pipeline.image_to_asset import image_to_asset
from backend.pipeline.stage_data import Options
from tests.backend.packs.tiny_lrm_packs import GRID, tiny_triposr
from tests.backend.packs.tiny_marigold import PIPELINE, write_tiny_marigold
from tests.backend.packs.tiny_public_pack import tiny_public_pack
from tests.backend.pipeline.true_pack import Recorder, picture_of_the_sphere

# diffusers' scheduler calls numpy in a way that numpy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def packs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packs")
    write_tiny_marigold(folder / MATERIAL_PACK)
    return folder


def test_without_the_pack_there_is_no_model(tmp_path: Path) -> None:
    assert material_model_beside(tmp_path / "triposr", CPU) is None


def test_pictures_give_roughness_and_metallic_that_the_seed_fixes(packs: Path) -> None:
    model = material_model_beside(packs / "triposr", CPU)
    assert model is not None
    assert model.name == MATERIAL_PACK
    images = torch.rand(2, 4, 40, 40, generator=torch.Generator().manual_seed(0))
    heard: list[float] = []
    first = model.estimate(images, seed=3, on_fraction=heard.append)
    assert heard == [0.5, 1.0]
    assert first.shape == (2, 2, 40, 40)
    assert first.dtype == torch.float32
    assert first.min() >= 0
    assert first.max() <= 1
    again = model.estimate(images, seed=3, on_fraction=heard.append)
    other = model.estimate(images, seed=4, on_fraction=heard.append)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_weights_for_lighting_are_refused(tmp_path: Path) -> None:
    lighting = {**PIPELINE, "target_properties": {"target_names": ["albedo", "shading", "residual"]}}
    write_tiny_marigold(tmp_path / MATERIAL_PACK, lighting)
    with pytest.raises(PackError, match="not marigold-iid-lighting"):
        load_marigold(tmp_path / MATERIAL_PACK, CPU)


def test_a_damaged_pack_is_told_when_it_is_needed(tmp_path: Path) -> None:
    write_tiny_marigold(tmp_path / MATERIAL_PACK)
    (tmp_path / MATERIAL_PACK / "unet.safetensors").unlink()
    model = material_model_beside(tmp_path / "triposr", CPU)
    assert model is not None
    with pytest.raises(PackError, match=r"unet\.safetensors is missing"):
        model.estimate(torch.zeros(1, 4, 32, 32), seed=0, on_fraction=lambda done: None)


@pytest.mark.parametrize("route", ["lrm", "multiview"])
def test_the_whole_path_says_whose_materials_they_are(route: str, packs: Path, tmp_path: Path) -> None:
    options = Options(faces=300, texture_size=64, steps=1, route=route)
    bare: AnyPack = (
        assemble_lrm(tiny_triposr(), CPU, name="triposr", revision="test", grid=GRID)
        if route == "lrm"
        else tiny_public_pack()
    )
    sources = []
    for materials in (None, material_model_beside(packs / bare.name, CPU)):
        pack, progress = replace(bare, materials=materials), Recorder()
        asset = image_to_asset(picture_of_the_sphere(), options, pack, progress)
        textures = [fraction for stage, fraction in progress.heard if stage == "textures"]
        assert textures == sorted(textures)
        write_asset(asset, tmp_path, name="ball", options=options, pack=pack)
        sources.append(json.loads((tmp_path / "report.json").read_text())["materials"])
        constant = len(np.unique(asset.textured.maps.roughness)) == 1
        assert constant == (materials is None)
    assert sources[0] == {"source": "defaults", "roughness": 0.6, "metallic": 0.0}
    assert sources[1]["source"] == MATERIAL_PACK
    assert 0 <= sources[1]["roughness"] <= 1
