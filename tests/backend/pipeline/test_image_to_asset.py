"""The whole path on a picture of a painted sphere, with view and normal models that know the truth."""

from __future__ import annotations

import io
from dataclasses import fields

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

from backend.errors import Cancelled, EmptySurfaceError, ForegroundError, ImageError
from backend.models.interfaces import GeneratedViews
from backend.packs.loading import Pack
from backend.pipeline.image_to_asset import image_to_asset
from backend.pipeline.stage_clock import StageClock
from backend.pipeline.stage_data import STAGES, Asset, Options
from tests.backend.models.painted_sphere import paint_of
from tests.backend.pipeline.true_pack import (
    ELEVATION,
    Recorder,
    TrueViewModel,
    picture_of_the_sphere,
    true_pack,
)

OPTIONS = Options(faces=500, texture_size=128, steps=2)


@pytest.fixture(scope="module")
def pack() -> Pack:
    return true_pack()


@pytest.fixture(scope="module")
def made(pack: Pack) -> tuple[Asset, Recorder]:
    progress = Recorder()
    return image_to_asset(picture_of_the_sphere(), OPTIONS, pack, progress), progress


def test_the_mesh_is_the_spheres_hull(made: tuple[Asset, Recorder]) -> None:
    mesh = made[0].mesh
    assert 200 < len(mesh.faces) <= 500
    assert mesh.watertight
    assert mesh.components == 1
    assert mesh.model_scale == pytest.approx(0.8, rel=0.1)
    radius = np.linalg.norm(mesh.vertices, axis=1)
    assert np.median(radius) == pytest.approx(0.5, abs=0.06)
    solid = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    assert solid.volume == pytest.approx(np.pi / 6, rel=0.25)


def test_the_stages_results_are_all_there(made: tuple[Asset, Recorder]) -> None:
    asset = made[0]
    assert all(getattr(asset, field.name) is not None for field in fields(asset))
    assert asset.foreground.method == "alpha"
    assert asset.foreground.image.shape[2] == 4
    assert asset.views.rgba.shape == (6, 4, 32, 32)
    assert asset.views.elevation_degrees == ELEVATION
    assert asset.normal_views.normals.shape == (6, 3, 32, 32)
    maps = asset.textured.maps
    assert maps.base_color.shape == maps.normal.shape == (128, 128, 3)
    assert maps.roughness.shape == maps.metallic.shape == (128, 128)
    assert len(asset.textured.faces) == len(asset.mesh.faces)


def test_the_glb_is_one_textured_mesh_a_metre_tall(made: tuple[Asset, Recorder]) -> None:
    scene = trimesh.load_scene(io.BytesIO(made[0].glb), file_type="glb")
    (mesh,) = scene.geometry.values()
    assert len(mesh.faces) == len(made[0].mesh.faces)
    low, high = scene.bounds
    assert high[1] - low[1] == pytest.approx(1, abs=1e-5)
    assert [low[1], low[0] + high[0], low[2] + high[2]] == pytest.approx([0, 0, 0], abs=1e-5)


def test_the_front_wears_the_picture(made: tuple[Asset, Recorder]) -> None:
    asset = made[0]
    assert asset.fidelity.mask_iou > 0.9
    assert asset.fidelity.psnr > 20
    textured = asset.textured
    towards = textured.reference_camera.positions[0].numpy()
    facing = textured.normals @ (towards / np.linalg.norm(towards)) > 0.7
    rows = ((1 - textured.uvs[:, 1]) * 128).astype(int).clip(0, 127)
    columns = (textured.uvs[:, 0] * 128).astype(int).clip(0, 127)
    colours = textured.maps.base_color[rows, columns][facing] / 255
    in_model = textured.vertices[facing] * asset.mesh.model_scale + asset.mesh.model_offset
    assert np.abs(colours - paint_of(torch.from_numpy(in_model)).numpy()).mean() < 0.06


def test_every_stage_reports_from_first_to_last_in_order(made: tuple[Asset, Recorder]) -> None:
    heard = made[1].heard
    order = list(dict.fromkeys(stage for stage, _ in heard))
    assert order == list(STAGES)
    for stage in STAGES:
        own = [fraction for name, fraction in heard if name == stage]
        assert own == sorted(own)
        assert own[-1] == 1
    names = {name for name, _ in made[1].previews}
    assert names == {f"views/{kind}_{k}.png" for kind in ("rgb", "normal") for k in range(6)}


def test_every_stage_is_timed(made: tuple[Asset, Recorder]) -> None:
    asset = made[0]
    assert list(asset.seconds) == list(asset.peak_memory_mb) == list(STAGES)
    assert all(seconds >= 0 for seconds in asset.seconds.values())
    peaks = list(asset.peak_memory_mb.values())
    assert peaks == sorted(peaks), "a peak never falls"
    assert peaks[0] > 50


@pytest.mark.parametrize("stage", STAGES)
def test_any_stage_can_be_cancelled(pack: Pack, stage: str) -> None:
    class Stop(Recorder):
        def advance(self, name: str, fraction: float) -> None:
            super().advance(name, fraction)
            if name == stage:
                raise Cancelled(f"in {stage}")

    progress = Stop()
    with pytest.raises(Cancelled, match=f"in {stage}"):
        image_to_asset(picture_of_the_sphere(), Options(faces=100, texture_size=64, steps=1), pack, progress)
    assert progress.heard[-1][0] == stage


def test_views_without_an_object_are_an_empty_surface(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(self: object, *_: object, **__: object) -> GeneratedViews:
        return GeneratedViews(torch.zeros(6, 4, 32, 32), 0.0)

    monkeypatch.setattr(TrueViewModel, "generate", nothing)
    with pytest.raises(EmptySurfaceError, match="Try another seed"):
        image_to_asset(picture_of_the_sphere(), OPTIONS, pack, Recorder())


@pytest.mark.parametrize(
    ("image", "error"), [(b"no image", ImageError), (b"", ImageError), (None, ForegroundError)]
)
def test_bad_pictures_stop_before_the_models(pack: Pack, image: bytes | None, error: type[Exception]) -> None:
    if image is None:
        buffer = io.BytesIO()
        Image.new("RGBA", (64, 64), (200, 0, 0, 0)).save(buffer, "PNG")
        image = buffer.getvalue()
    progress = Recorder()
    with pytest.raises(error):
        image_to_asset(image, OPTIONS, pack, progress)
    assert {stage for stage, _ in progress.heard} <= {"foreground"}


def test_a_stage_that_fails_is_not_timed() -> None:
    clock = StageClock()

    def fail() -> None:
        with clock("views"):
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        fail()
    assert clock.seconds == {}
