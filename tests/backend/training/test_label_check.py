from __future__ import annotations

from pathlib import Path

import pytest
import trimesh

from backend.errors import InputError
from backend.training import label_check as subject
from backend.training.assets import Model
from backend.training.label_check import check_folder, check_labels
from backend.training.rendering import Renderer
from tests.backend.training.shapes import block, inside_out

SOLID = Model((block((0.6, 0.5, 0.4)),))


@pytest.fixture(autouse=True)
def coarse_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "GRID", 24)


def test_sound_labels_fill_the_hull(renderer: Renderer) -> None:
    mixed = Model((*SOLID.parts, *inside_out(Model((block((0.2, 0.2, 0.2)),))).parts))
    checks = list(check_labels([("block", SOLID), ("mixed", mixed)], renderer))
    assert [check.name for check in checks] == ["block", "mixed"]
    for check in checks:
        assert check.iou > 0.75
        assert check.outside < 0.02


def test_hollow_labels_are_found_out(renderer: Renderer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        subject, "signed_distance", lambda model, points: abs(abs(points).max(1) - 0.2) - 0.01
    )
    (check,) = check_labels([("hollow", SOLID)], renderer)
    assert check.iou < 0.5


def test_solid_air_is_found_out(renderer: Renderer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "signed_distance", lambda model, points: abs(points).max(1) - 0.45)
    (check,) = check_labels([("too much", SOLID)], renderer)
    assert check.outside > 0.3


def test_a_folder_is_passed_or_refused(
    tmp_path: Path, renderer: Renderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(FileNotFoundError, match=r"holds no \.glb"):
        check_folder(tmp_path)
    trimesh.creation.box((1, 0.8, 0.7)).export(tmp_path / "crate.glb")
    told = check_folder(tmp_path).splitlines()
    assert told[0].startswith("hull against labels, 1 objects: mean IoU 0.")
    assert told[1].endswith("crate")
    monkeypatch.setattr(subject, "signed_distance", lambda model, points: abs(points).max(1) - 0.05)
    with pytest.raises(InputError, match="would spoil the training"):
        check_folder(tmp_path)
