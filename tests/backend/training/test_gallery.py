from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from backend.training import gallery as subject
from backend.training.gallery import maker_of, write_gallery
from backend.training.procedural import FAMILIES
from backend.training.rendering import Renderer

REPOS = {
    "kaykit": "KayKit-Game-Assets/KayKit-City-Builder-Bits-1.0",
    "kenney": "beep2bleep/FreeAssetsByKenneyNLandQuaternius (Kenney)",
    "quaternius": "beep2bleep/FreeAssetsByKenneyNLandQuaternius (Quaternius)",
    "aws robomaker": "aws-robotics/aws-robomaker-bookstore-world",
    "sweet home 3d": "Sweet Home 3D Scopia",
    "flightgear": "FlightGear",
}


def test_makers_are_read_from_the_repository() -> None:
    assert {name: maker_of(repo) for name, repo in REPOS.items()} == {name: name for name in REPOS}
    assert maker_of("KenneyNL/Starter-Kit-FPS") == "kenney"
    assert maker_of("someone/else") is None


def test_one_small_sheet_a_source(
    tmp_path: Path, renderer: Renderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject, "OBJECTS", 2)
    monkeypatch.setattr(subject, "FAMILIES", {"lathes": FAMILIES["lathes"]})
    folders = []
    for name in ("kaykit", "sweet home 3d"):
        folders.append(tmp_path / name)
        folders[-1].mkdir()
        with (folders[-1] / "index.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["file", "pack", "category", "source_repo"])
            for k in range(2):
                writer.writerow([f"{k}.glb", f"pack {k}", "prop", REPOS[name]])
                trimesh.creation.box((1, 0.5, 0.7)).export(folders[-1] / f"{k}.glb")
    written = write_gallery(folders, tmp_path / "sheets")
    names = {"kaykit", "sweet-home-3d", "procedural-lathes"}
    assert {path.stem for path in written} == names
    for path in written:
        assert path.stat().st_size < 150_000
        image = np.asarray(Image.open(path)).astype(np.float32)
        assert image.shape[1] == 7 * 100
        assert image.shape[0] == 2 * 100 + 14
        assert image.std(axis=2).max() > 20, "no colour, no normals"
