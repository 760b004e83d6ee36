"""The whole evaluation on two tiny objects, with nano's networks untrained and tiny."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.evaluation.__main__ import main
from backend.evaluation.evaluate import ObjectResults, Plan, evaluate
from backend.evaluation.metrics import score
from backend.evaluation.references import load_object, render_reference
from backend.evaluation.report import FROM_TRUTH, SINGLE, make_report
from backend.evaluation.results import Outcome
from backend.evaluation.retrieval import build_gallery, describe
from backend.evaluation.shape import shape_in_unit_box
from backend.models.presets import TINY
from backend.packs.loading import Pack, assemble_nano, build_nano
from backend.pipeline.stage_data import Options
from backend.training.rendering import Renderer
from tests.backend.evaluation.meshes import ball, box, chair, write_glb

POINTS = 1_000


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
    plan = Plan(data, out, limit=1, seeds=(0, 1), options=Options(faces=200, texture_size=64), points=POINTS)
    results = evaluate(plan, tiny_pack())
    (result,) = results
    assert set(result.baselines) >= {"sphere", "inflated silhouette", "hull", "hull carved by depth"}
    assert len(result.single) == 2
    assert (
        result.baselines["hull"].numbers["fixed/f05"] > result.baselines["sphere"].numbers["fixed/f05"] - 0.3
    )
    files = {path: path.stat().st_mtime_ns for path in out.rglob("*.json")}
    assert evaluate(plan, tiny_pack()) == results
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.json")} == files

    report = make_report(results, "tiny")
    report.write(out)
    text = (out / "report.md").read_text()
    assert f"**{SINGLE}**" in text
    assert "verdict" in text
    for outcome in result.single:
        if outcome.error is None:
            assert outcome.numbers["asset/seconds"] > 0
            assert (out / "contact_sheet.png").exists()


def test_retrieval_finds_the_same_object_again(data: Path, tmp_path: Path) -> None:
    gallery = build_gallery(data, tmp_path / "cache")
    again = build_gallery(data, tmp_path / "cache")
    np.testing.assert_array_equal(gallery.descriptors, again.descriptors)
    item = load_object(data / "chair.glb", POINTS)
    with Renderer(96, 1) as renderer:
        image = render_reference(item, renderer)
    for found in (gallery.nearest_by_image(image), gallery.nearest_by_shape(item.truth, image)):
        assert len(found) == len(chair())
        assert score(shape_in_unit_box(found, POINTS), item.truth).f05 > 0.5  # turned as the view shows it
    assert len(gallery.mean_shape()) > 0


def test_an_empty_picture_is_near_nothing() -> None:
    assert np.isinf(describe(np.zeros((64, 64, 4), np.uint8))).all()


def test_command_line_runs_baselines_on_a_folder_of_glbs(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_glb(data / "slab.glb", box(1, 0.2, 0.6))
    out = tmp_path / "out"
    arguments = [
        "--data",
        str(data),
        "--out",
        str(out),
        "--baselines-only",
        "--limit",
        "1",
        "--points",
        "500",
    ]
    assert main(arguments) == 0
    assert "| hull |" in capsys.readouterr().out
    assert json.loads((out / "report.json").read_text())["objects"] == 1
    with (out / "objects.csv").open() as file:
        assert next(csv.DictReader(file))["object"] == "ball"
    assert main(["--data", str(tmp_path / "nowhere"), "--baselines-only"]) == 2
    assert main(["--data", str(data), "--pack", "no-such-pack"]) == 2
    assert "no-such-pack" in capsys.readouterr().err


def made_up(f05: float, error: str | None = None) -> Outcome:
    metrics = ("f05", "f02", "f01", "chamfer", "iou", "normal_consistency")
    return Outcome({f"{frame}/{metric}": f05 for frame in ("fixed", "aligned") for metric in metrics}, error)


def test_report_pairs_systems_with_baselines_and_names_failures() -> None:
    results = [
        ObjectResults(
            f"object {i}",
            {"inflated silhouette": made_up(0.5 + 0.01 * i), "hull": made_up(0.8)},
            made_up(0.85 + 0.001 * i),
            (made_up(0.6 + 0.01 * i), made_up(0.62 + 0.01 * i)),
            None,
        )
        for i in range(20)
    ]
    results[3] = ObjectResults(
        "object 3", results[3].baselines, made_up(0.85), (made_up(0.0, "no surface"),), None
    )
    report = make_report(results, "made up")
    differences = {(d["system"], d["baseline"], d["metric"]): d for d in report.to_json()["differences"]}
    against_silhouette = differences[SINGLE, "inflated silhouette", "fixed/f05"]
    assert against_silhouette["mean"] == pytest.approx((19 * 0.11 - 0.53) / 20)
    assert differences[FROM_TRUTH, "hull", "fixed/f05"]["low"] > 0
    text = report.markdown()
    row = next(line for line in text.splitlines() if f"{FROM_TRUTH} | hull | fixed/f05" in line)
    assert row.endswith("| better |")
    assert "object 3, single image: no surface" in text
    assert text.index("| object 3 |") < text.index("| object 0 |")  # the worst comes first
