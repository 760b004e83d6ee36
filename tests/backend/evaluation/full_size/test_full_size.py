"""The benches of the public models, at a tiny size; and that the full sizes are the public ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from backend.evaluation.full_size import instantmesh, zero123plus
from backend.evaluation.full_size.__main__ import bench_instantmesh, bench_zero123plus, main, relative_error
from backend.evaluation.full_size.meter import Original, StageCost, StageMeter, comparison
from tests.backend.packs.tiny_public_pack import INSTANTMESH, SAMPLING, UNET, VAE, VISION

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
CPU = torch.device("cpu")
TINY = zero123plus.Zero123PlusSize(UNET, VAE, VISION, SAMPLING)


def test_ratios_are_ours_over_theirs() -> None:
    original = Original({"a": 10.0, "b": 2.0}, {"c": 8.0}, peak_gib=4.0)
    table = comparison([StageCost("a", 5.0, 4.0, 1.0), StageCost("extra", 1.0, 1.0, 2.0)], original)
    assert "| a | 10.0 | 5.0 | 0.50 | 4.0 | 1.0 |" in table
    assert "| total | 18.0 | 5.0 | 0.28 | 4.0 | 2.0 |" in table
    assert "0.50" in table.splitlines()[-1]


def test_a_meter_measures_what_it_encloses() -> None:
    meter = StageMeter(CPU)
    with meter("busy"):
        np.linalg.svd(np.random.default_rng(0).random((200, 200)))
    (cost,) = meter.costs
    assert cost.name == "busy"
    assert cost.seconds > 0
    assert cost.peak_gib > 0


def test_instantmesh_runs_every_stage(capsys: pytest.CaptureFixture[str]) -> None:
    bench_instantmesh(CPU, torch.bfloat16, INSTANTMESH, texture_size=64)
    printed = capsys.readouterr().out
    for stage in instantmesh.ORIGINAL.seconds:
        assert f"| {stage} |" in printed
    assert "relative error" in printed


def test_zero123plus_runs_every_stage(capsys: pytest.CaptureFixture[str]) -> None:
    bench_zero123plus(CPU, torch.float32, 2, TINY, recorded=True)
    printed = capsys.readouterr().out
    for stage in zero123plus.original(2).seconds:
        assert f"| {stage} |" in printed


def test_zero123plus_beside_the_originals_way(capsys: pytest.CaptureFixture[str]) -> None:
    """The bench of a GPU, on the CPU."""
    bench_zero123plus(CPU, torch.bfloat16, 2, TINY, recorded=False)
    printed = capsys.readouterr().out
    assert "| 2 guided steps |" in printed
    error = float(printed.rpartition("relative error ")[2].split()[0])
    assert 1e-5 < error < 0.1


@pytest.mark.slow
def test_the_denoiser_can_be_compiled(capsys: pytest.CaptureFixture[str]) -> None:
    """ "eager" traces as a compiler would and compiles nothing."""
    bench_zero123plus(CPU, torch.float32, 1, TINY, recorded=True, compiler="eager")
    assert "| 1 guided steps |" in capsys.readouterr().out


def test_precisions_share_their_weights_and_draws() -> None:
    exact = instantmesh.random_planes(INSTANTMESH, CPU, torch.float32)
    rounded = instantmesh.random_planes(INSTANTMESH, CPU, torch.bfloat16)
    assert 1e-5 < relative_error(rounded, exact) < 0.05


def test_the_full_size_is_the_public_one() -> None:
    with torch.device("meta"):
        unet = zero123plus.ReferenceAttentionUNet(**zero123plus.UNET)
        vae = zero123plus.AutoencoderKL(**zero123plus.VAE)
        vision = zero123plus.CLIPVisionModelWithProjection(zero123plus.CLIPVisionConfig(**zero123plus.VISION))
    counts = [sum(p.numel() for p in network.parameters()) for network in (unet, vae, vision)]
    assert counts == [865_910_724, 83_653_863, 632_076_800]


def test_an_unknown_device_is_an_error_in_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BOZZETTO_DEVICE", "abacus")
    assert main(["instantmesh"]) == 2
    assert "BOZZETTO_DEVICE" in capsys.readouterr().err
