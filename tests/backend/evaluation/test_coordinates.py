"""Scores of bare object coordinates."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from jaxtyping import Float
from torch import Tensor, nn

from backend.evaluation.coordinates import SeenObject, held_out_errors, main, score_object, see_object
from backend.evaluation.references import load_object
from backend.models.multiview.coordinate_net import CoordinateNet, ObjectCoordinates, camera_axes
from backend.packs.manifest import PACKS_FOLDER
from backend.training.dataset import REFERENCE_SIZE
from backend.training.reference_dataset import ReferenceDataset, render_references
from backend.training.rendering import Renderer
from tests.backend.evaluation.meshes import ball, chair, write_glb
from tests.backend.training.test_dataset import HELD_OUT
from tests.backend.training.test_render_dataset import data_folder

NANO_PACK = PACKS_FOLDER / "nano"


class Clairvoyant(nn.Module):
    """Knows the true positions, of the image and of its mirror image, and moves them by `offset`."""

    def __init__(self, seen: SeenObject, offset: Float[Tensor, " 3"], elevation_error: float = 0.0) -> None:
        super().__init__()
        self._truth = seen.example
        self._offset = offset
        self._elevation = seen.example.elevation + elevation_error

    def forward(self, reference: Float[Tensor, "two 4 h w"]) -> ObjectCoordinates:
        axes = camera_axes(self._truth.elevation[None])[0]
        front, back = (
            torch.einsum("ij,jhw->ihw", axes, surface) + self._offset[:, None, None]
            for surface in (self._truth.reference_front, self._truth.reference_back)
        )
        sign = torch.tensor([-1.0, 1.0, 1.0])[:, None, None]
        return ObjectCoordinates(
            torch.stack([front, front.flip(-1) * sign]),
            torch.stack([back, back.flip(-1) * sign]),
            self._elevation.expand(2),
        )


def as_net(module: nn.Module) -> CoordinateNet:
    """Whatever answers in the same way is as good as the network here."""
    return cast(CoordinateNet, module)


def look_at(tmp_path: Path, triangles: np.ndarray) -> SeenObject:
    with Renderer(REFERENCE_SIZE) as renderer:
        return see_object(load_object(write_glb(tmp_path / "object.glb", triangles), 1000), renderer)


def test_the_truth_scores_full_marks(tmp_path: Path) -> None:
    """A ball, of which the pixels miss a ring where its surface turns away."""
    seen = look_at(tmp_path, ball())
    scores = score_object(as_net(Clairvoyant(seen, torch.zeros(3))), seen)
    assert max(scores.front, scores.back, scores.elevation) < 1e-4
    assert min(scores.aligned_f05, scores.fixed_f05) > 0.97
    assert scores.aligned_f02 > 0.9


def test_an_offset_costs_the_fixed_frame_only(tmp_path: Path) -> None:
    seen = look_at(tmp_path, chair())
    right, moved = (
        score_object(as_net(Clairvoyant(seen, torch.tensor([0.0, 0.0, depth]))), seen) for depth in (0.0, 0.2)
    )
    assert moved.fixed_f05 < 0.75 * right.fixed_f05
    assert moved.aligned_f05 == pytest.approx(right.aligned_f05, abs=0.02)
    # Along the camera's axis, which leans by the elevation in the upright frame; the mean over three axes.
    lean = torch.deg2rad(seen.example.elevation)
    expected = 0.2 * float(lean.sin().abs() + lean.cos()) / 3
    assert [moved.front, moved.back] == pytest.approx([expected, expected], abs=1e-3)


def test_a_wrong_elevation_is_an_error_in_degrees(tmp_path: Path) -> None:
    seen = look_at(tmp_path, chair())
    scores = score_object(as_net(Clairvoyant(seen, torch.zeros(3), elevation_error=-12.0)), seen)
    assert scores.elevation == pytest.approx(12.0, abs=1e-3)
    assert scores.front > 0.01


def test_what_is_shown_is_what_training_shows(tmp_path: Path) -> None:
    example = look_at(tmp_path, chair()).example
    assert example.reference_rgba.shape == (4, REFERENCE_SIZE, REFERENCE_SIZE)
    assert example.reference_front.shape == example.reference_back.shape == (3, 64, 64)
    rows, columns = torch.nonzero(example.reference_rgba[3] > 0.5, as_tuple=True)
    # The longer side of the object's box fills .85 of the crop.
    longest = max(int(side.max() - side.min()) for side in (rows, columns))
    assert longest / REFERENCE_SIZE == pytest.approx(0.85, abs=0.02)


@pytest.fixture(scope="module")
def references(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Held-out images of one asset and of procedural shapes."""
    folder = tmp_path_factory.mktemp("references")
    data = data_folder(folder / "data", [("object.glb", HELD_OUT, "props")])
    render_references([data], folder / "references", images=8, worker=0, workers=1, seed=3)
    return folder / "references"


class Nothing(nn.Module):
    """Answers zero."""

    def forward(self, reference: Float[Tensor, "batch 4 h w"]) -> ObjectCoordinates:
        empty = torch.zeros(len(reference), 3, 64, 64)
        return ObjectCoordinates(empty, empty, torch.zeros(len(reference)))


def test_held_out_errors_are_those_of_training(references: Path) -> None:
    held_out = ReferenceDataset(references, validation=True)
    errors = held_out_errors(as_net(Nothing()), references)
    elevations = [abs(float(held_out[i].elevation)) for i in range(0, len(held_out), 2)]
    assert errors["val_elevation"] == pytest.approx(np.mean(elevations), rel=1e-4)
    assert errors["val_front_upright"] > 0.1


def test_the_command_prints_a_row_a_pack(
    tmp_path: Path, references: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    objects = tmp_path / "objects"
    objects.mkdir()
    write_glb(objects / "ball.glb", ball())
    arguments = [str(NANO_PACK), "--data", str(objects), "--references", str(references)]
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"| {objects}, 1 objects | front | back | elevation | aligned_f05 |")
    assert lines[3].startswith(f"| {references} | val_elevation | val_front | val_back |")
    assert [line.split(" | ")[0] for line in (lines[2], lines[5])] == [f"| {NANO_PACK}"] * 2


def test_nothing_to_measure_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(NANO_PACK)]) == 2
    assert "Give --data DIR" in capsys.readouterr().err
    assert main([str(NANO_PACK), "--data", str(tmp_path)]) == 2
    assert "holds no .glb files" in capsys.readouterr().err
