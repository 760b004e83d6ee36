"""The reconstructor under test, stood in for by one that knows the answer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from backend.evaluation.case import Case, open_studio
from backend.evaluation.system import reconstruct_from_truth
from backend.models.interfaces import PointValues
from backend.models.presets import TINY
from backend.packs.loading import assemble_nano, build_nano
from tests.backend.evaluation.meshes import ball, write_glb


class BallField:
    """A ball that touches the model sphere, as every object does."""

    half_extent = 0.55

    def sdf(self, points: Tensor) -> Tensor:
        return points.norm(dim=-1) - 0.5

    def sample(self, points: Tensor) -> PointValues:
        raise AssertionError("geometry asks for distances only")


class BallReconstructor:
    def __init__(self) -> None:
        self.seen: list[tuple[Tensor, Tensor, Tensor | None]] = []

    def reconstruct(self, rgba: Tensor, normals: Tensor, depth: Tensor | None) -> BallField:
        self.seen.append((rgba, normals, depth))
        return BallField()


def test_a_perfect_reconstruction_scores_perfectly(tmp_path: Path) -> None:
    reconstructor = BallReconstructor()
    nano = assemble_nano(build_nano(TINY), TINY, torch.device("cpu"), revision="test")
    pack = replace(nano, reconstructor=reconstructor)
    path = write_glb(tmp_path / "ball.glb", ball())
    with open_studio(TINY.view_size, TINY.view_distance) as studio:
        case = Case(path, studio, points=5_000)
        geometry = reconstruct_from_truth(case, pack, 20_000)
    assert geometry.fixed.f05 == 1
    assert geometry.fixed.chamfer < 0.015  # what 5,000 points leave between them
    assert geometry.fixed.iou > 0.95
    ((rgba, normals, depth),) = reconstructor.seen
    assert rgba.shape == (6, 4, 32, 32)
    assert normals.shape == (6, 3, 32, 32)
    assert depth is not None
    # Seen from 2 away, the nearest point of a ball of radius one half is 1.5 away.
    assert float(depth[depth > 0].min()) == pytest.approx(1.5, abs=0.03)
