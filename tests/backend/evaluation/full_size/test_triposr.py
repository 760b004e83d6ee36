from __future__ import annotations

import numpy as np
import pytest
import torch

from backend.evaluation.full_size import triposr
from backend.evaluation.full_size.__main__ import bench_triposr, relative_error
from backend.geometry.density_surface import density_surface
from backend.models.reconstructor.triposr_field import THRESHOLD
from tests.backend.packs.tiny_lrm_packs import TRIPOSR

CPU = torch.device("cpu")


def test_every_stage_runs_and_is_held_against_the_original(capsys: pytest.CaptureFixture[str]) -> None:
    bench_triposr(CPU, torch.bfloat16, TRIPOSR, texture_size=64, grid=24, face_limit=500)
    printed = capsys.readouterr().out
    for stage in triposr.ORIGINAL.seconds:
        assert f"| {stage} |" in printed
    assert "| decimation | - |" in printed
    assert "relative error" in printed


def test_precisions_share_their_weights_and_input() -> None:
    exact = triposr.random_planes(TRIPOSR, CPU, torch.float32)
    rounded = triposr.random_planes(TRIPOSR, CPU, torch.bfloat16)
    assert 1e-5 < relative_error(rounded, exact) < 0.05


def test_the_blob_has_as_many_faces_as_the_originals() -> None:
    coarse = len(density_surface(triposr.blob(65), THRESHOLD, 0.87)[1])
    assert coarse * (255 / 64) ** 2 == pytest.approx(317e3, rel=0.03)
    assert np.isfinite(triposr.blob(9)).all()
