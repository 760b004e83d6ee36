from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from backend.errors import OutputError
from backend.pipeline.artifacts import write_asset
from backend.pipeline.export import export_glb, measure_fidelity
from backend.pipeline.stage_data import Asset, NormalViews, Options
from tests.backend.geometry.analytic_fields import sphere
from tests.backend.geometry.painted_asset import bake_painted


@dataclass(frozen=True)
class TinyPack:
    name: str = "nano"
    revision: str = "abc123"

    @property
    def device(self) -> torch.device:
        return torch.device("cpu")


OPTIONS = Options(seed=7, faces=300, texture_size=64, height_metres=0.5)


@cache
def asset() -> Asset:
    mesh, textured, views, foreground = bake_painted(
        sphere(), faces=300, size=64, view_size=32, reference_size=64
    )
    normals = torch.zeros(6, 3, 32, 32)
    normals[:, 1, 16, 16] = 1
    return Asset(
        foreground=foreground,
        views=views,
        normal_views=NormalViews(normals, depth=None),
        mesh=mesh,
        textured=textured,
        glb=export_glb(textured, name="ball", height_metres=0.5),
        fidelity=measure_fidelity(textured, foreground),
        seconds={"mesh": 1.5, "textures": 2.0},
        peak_memory_mb={"mesh": 300.0, "textures": 400.0},
    )


def test_every_promised_file_is_written(tmp_path: Path) -> None:
    written = write_asset(asset(), tmp_path, name="ball", options=OPTIONS, pack=TinyPack())
    expected = {"asset.glb", "foreground.png", "report.json"}
    expected |= {f"maps/{name}.png" for name in ("base_color", "roughness", "metallic", "normal")}
    expected |= {f"views/{kind}_{index}.png" for kind in ("rgb", "normal") for index in range(6)}
    assert {path.relative_to(tmp_path).as_posix() for path in written} == expected
    assert {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()} == expected


def test_pictures_hold_what_the_stages_gave(tmp_path: Path) -> None:
    write_asset(asset(), tmp_path, name="ball", options=OPTIONS, pack=TinyPack())

    def read(path: str) -> np.ndarray:
        return np.asarray(Image.open(tmp_path / path))

    assert np.array_equal(read("maps/normal.png"), asset().textured.maps.normal)
    assert read("maps/roughness.png").shape == (64, 64)
    assert read("foreground.png").shape == (64, 64, 4)
    normal, colour = read("views/normal_2.png"), read("views/rgb_2.png")
    assert tuple(normal[16, 16]) == (128, 255, 128, 255)
    assert tuple(normal[0, 0]) == (128, 128, 128, 0)
    assert np.array_equal(normal[..., 3], colour[..., 3])


def test_report_tells_what_was_made_how_and_how_well(tmp_path: Path) -> None:
    write_asset(asset(), tmp_path, name="ball", options=OPTIONS, pack=TinyPack())
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["name"] == "ball"
    assert (report["pack"], report["pack_revision"]) == ("nano", "abc123")
    assert report["seed"] == 7
    assert report["options"]["texture_size"] == 64
    assert report["device"].startswith("cpu")
    assert report["seconds"] == {"mesh": 1.5, "textures": 2.0}
    assert report["seconds_total"] == 3.5
    assert report["peak_memory_mb_total"] == 400
    assert report["faces"] == len(asset().textured.faces) <= 300
    assert report["vertices"] == len(asset().textured.vertices)
    assert report["watertight"] is True
    assert report["components"] == 1
    assert report["estimated_elevation_degrees"] == asset().views.elevation_degrees
    assert report["foreground_method"] == "alpha"
    assert report["fidelity"]["mask_iou"] > 0.9
    assert report["fidelity"]["psnr"] > 15


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(OutputError, match="Choose another output folder"):
        write_asset(asset(), blocked, name="ball", options=OPTIONS, pack=TinyPack())
