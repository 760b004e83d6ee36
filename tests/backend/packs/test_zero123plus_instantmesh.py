"""The public multi-view pack at a tiny size: read from files, and through the whole pipeline."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from backend.errors import PackError
from backend.packs import public_networks
from backend.packs.loading import Pack, load_pack
from backend.packs.manifest import files_by_role, read_manifest
from backend.packs.zero123plus_instantmesh import load_zero123plus_instantmesh
from backend.pipeline.image_to_asset import image_to_asset
from backend.pipeline.stage_data import STAGES, Options
from tests.backend.packs.tiny_public_pack import INSTANTMESH, PRESET, tiny_public_pack, write_tiny_public_pack
from tests.backend.pipeline.true_pack import Recorder, picture_of_the_sphere

# diffusers' scheduler calls numpy in a way that numpy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
CPU = torch.device("cpu")


@pytest.fixture
def packs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(public_networks, "InstantMeshConfig", lambda: INSTANTMESH)
    write_tiny_public_pack(tmp_path / "tiny")
    return tmp_path


def views_of(pack: Pack) -> torch.Tensor:
    reference = torch.rand(4, 32, 32, generator=torch.Generator().manual_seed(1))
    return pack.multiview.generate(
        reference, steps=2, guidance=4.0, seed=3, on_step=lambda done, total, images: None
    ).rgba


def test_the_whole_path() -> None:
    progress = Recorder()
    options = Options(faces=300, texture_size=64, steps=2)
    asset = image_to_asset(picture_of_the_sphere(), options, tiny_public_pack(), progress)
    assert asset.views.rgba.shape == (6, 4, 32, 32)
    lengths = asset.normal_views.normals.norm(dim=1)
    assert ((lengths < 1e-3) | ((lengths - 1).abs() < 1e-3)).all()
    assert asset.mesh.watertight
    assert 4 <= len(asset.mesh.faces) <= 300
    assert asset.textured.maps.base_color.shape == (64, 64, 3)
    assert asset.glb[:4] == b"glTF"
    assert list(dict.fromkeys(stage for stage, _ in progress.heard)) == list(STAGES)
    for stage in STAGES:
        own = [fraction for name, fraction in progress.heard if name == stage]
        assert own == sorted(own)
        assert own[-1] == 1
    names = {name for name, _ in progress.previews}
    assert names == {f"views/{kind}_{k}.png" for kind in ("rgb", "normal") for k in range(6)}


def test_files_give_the_pack_that_they_were_written_from(packs: Path) -> None:
    loaded = load_pack("tiny", CPU, packs)
    assert loaded.revision == read_manifest(packs / "tiny").revision
    assert loaded.config.view_distance == 4.0
    assert loaded.config.sampling.condition == PRESET.sampling.condition  # type: ignore[attr-defined]
    assert loaded.config.sampling.ramping == PRESET.sampling.ramping  # type: ignore[attr-defined]


def test_a_seed_names_the_views() -> None:
    pack = tiny_public_pack()
    assert torch.equal(views_of(pack), views_of(pack))


def test_a_configuration_that_lacks_something_is_named(packs: Path) -> None:
    path = files_by_role(packs / "tiny")["pipeline"]
    path.write_text("{}")
    manifest = read_manifest(packs / "tiny")
    with pytest.raises(PackError, match="ramping_coefficients"):
        load_zero123plus_instantmesh(packs / "tiny", manifest, CPU)


def test_views_are_reproducible_in_the_devices_own_precision() -> None:
    rgba = views_of(tiny_public_pack())
    assert rgba.dtype == torch.float32
    assert np.isfinite(rgba.numpy()).all()
