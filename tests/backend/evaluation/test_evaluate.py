"""The whole evaluation on two tiny objects, with nano's networks untrained and tiny."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from backend.evaluation.__main__ import main
from backend.evaluation.evaluate import Plan, evaluate
from backend.evaluation.images import evaluate_images
from backend.evaluation.measurements import FROM_TRUTH, SINGLE, gather
from backend.evaluation.metrics import score
from backend.evaluation.oracle import build_shape_gallery
from backend.evaluation.references import load_object, render_reference
from backend.evaluation.report import Report
from backend.evaluation.retrieval import build_gallery, describe
from backend.evaluation.shape import shape_in_unit_box
from backend.models.presets import TINY
from backend.packs.loading import Pack, assemble_nano, build_nano
from backend.pipeline.stage_data import Options
from backend.training.rendering import Renderer
from tests.backend.evaluation.meshes import ball, box, chair, write_glb
from tests.backend.pipeline.true_pack import picture_of_the_sphere

POINTS = 1_000
OPTIONS = Options(faces=200, texture_size=64)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    write_glb(folder / "chair.glb", chair())
    write_glb(folder / "ball.glb", ball(), (30, 60, 200))
    return folder


def tiny_pack() -> Pack:
    torch.manual_seed(0)
    return assemble_nano(build_nano(TINY), TINY, torch.device("cpu"), revision="test")


@pytest.mark.slow
def test_evaluation_with_a_pack_and_its_resumption(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    plan = Plan(data, out, limit=1, seeds=(0,), variants=2, options=OPTIONS, points=POINTS)
    results = evaluate(plan, tiny_pack())
    (result,) = results
    assert set(result.baselines) >= {"sphere", "inflated silhouette", "hull", "hull carved by depth"}
    assert list(result.single) == [0, 1]
    assert result.from_truth is not None
    assert 0 < result.from_truth.numbers["views/normal_degrees"] < 180
    files = {path: path.stat().st_mtime_ns for path in out.rglob("*.json")}
    assert evaluate(plan, tiny_pack()) == results
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.json")} == files

    Report("tiny", gather(results, plan.seeds, plan.variant_seeds)).write(out)
    text = (out / "report.md").read_text()
    assert f"**{SINGLE}**" in text
    assert f"**{FROM_TRUTH}**" in text
    assert "## Best of 2" in text
    for outcome in result.single.values():
        assert outcome.error is None
        assert outcome.numbers["asset/seconds"] > 0
        assert 0 < outcome.numbers["variant/score"] <= 1
    for sheet in ("contact_sheet.png", "worst.png", "examples.png"):
        assert (out / sheet).exists()


@pytest.mark.slow
def test_a_folder_of_images_is_judged_by_what_needs_no_truth(tmp_path: Path) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    data.mkdir()
    (data / "sphere.png").write_bytes(picture_of_the_sphere())
    Image.new("RGBA", (64, 64)).save(data / "empty.png")
    (data / "notes.txt").write_text("not an image")
    plan = Plan(data, out, seeds=(0, 1), options=OPTIONS)
    results = evaluate_images(plan, tiny_pack())
    assert [result.name for result in results] == ["empty.png", "sphere.png"]
    assert evaluate_images(plan, tiny_pack()) == results
    report = Report("images", gather(results, plan.seeds))
    report.write(out)
    text = (out / "report.md").read_text()
    assert "empty.png, single image: The image is fully transparent" in text
    assert "asset/fidelity_psnr" in text
    assert "Fixed frame" not in text
    assert text.index("| empty.png |") < text.index("| sphere.png |")
    assert (out / "contact_sheet.png").exists()


def test_retrieval_finds_the_same_object_again(data: Path, tmp_path: Path) -> None:
    gallery = build_gallery(data, tmp_path / "cache")
    again = build_gallery(data, tmp_path / "cache")
    np.testing.assert_array_equal(gallery.descriptors, again.descriptors)
    item = load_object(data / "chair.glb", POINTS)
    with Renderer(96, 1) as renderer:
        image = render_reference(item, renderer)
    shapes = build_shape_gallery(gallery.paths, gallery.revision, tmp_path / "cache")
    for found in (gallery.nearest_by_image(image), shapes.nearest(item.truth)):
        assert len(found) == len(chair())
        assert score(shape_in_unit_box(found, POINTS), item.truth).f05 > 0.5  # turned as the view shows it
    assert len(gallery.mean_shape()) > 0


def test_an_empty_picture_is_near_nothing() -> None:
    assert np.isinf(describe(np.zeros((64, 64, 4), np.uint8))).all()


def test_command_line_runs_baselines_on_a_folder_of_glbs(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_glb(data / "slab.glb", box(1, 0.2, 0.6))
    (data / "a_broken_one.glb").write_bytes(b"glTF but not really, and cut")
    out = tmp_path / "out"
    arguments = [
        "--data",
        str(data),
        "--out",
        str(out),
        "--baselines-only",
        "--limit",
        "2",
        "--points",
        "500",
    ]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert "| hull |" in printed
    assert "cannot be read: a_broken_one." in printed
    assert "hence no mean shape, nearest by image, oracle nearest neighbour" in printed
    assert json.loads((out / "report.json").read_text())["objects"] == 1
    with (out / "objects.csv").open() as file:
        assert next(csv.DictReader(file))["object"] == "chair"
    assert main(["--data", str(tmp_path / "nowhere"), "--baselines-only"]) == 2
    assert main(["--data", str(data), "--pack", "no-such-pack"]) == 2
    assert "no-such-pack" in capsys.readouterr().err
