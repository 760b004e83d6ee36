"""Weights in eight bits come back close, whole and under their own names."""

from __future__ import annotations

import torch

from backend.packs.eight_bit import SCALE_SUFFIX, dequantise, quantise


def test_what_is_written_comes_back_within_half_a_step_of_each_channel() -> None:
    generator = torch.Generator().manual_seed(0)
    kernel = torch.randn(8, 4, 3, 3, generator=generator) * torch.logspace(-4, 2, 8)[:, None, None, None]
    vector = torch.randn(8, generator=generator)
    stored = quantise({"conv.weight": kernel, "conv.bias": vector})
    assert stored["conv.weight"].dtype == torch.int8
    assert stored["conv.weight" + SCALE_SUFFIX].shape == (8,)
    state = dequantise(stored)
    assert set(state) == {"conv.weight", "conv.bias"}
    assert torch.equal(state["conv.bias"], vector)
    step = kernel.abs().amax(dim=(1, 2, 3)) / 127
    assert ((state["conv.weight"] - kernel).abs().amax(dim=(1, 2, 3)) <= 0.501 * step).all()


def test_a_channel_of_zeros_stays_zero() -> None:
    state = dequantise(quantise({"weight": torch.zeros(2, 40)}))
    assert torch.equal(state["weight"], torch.zeros(2, 40))


def test_depthwise_kernels_are_not_rounded() -> None:
    kernel = torch.randn(6, 1, 5, 5)
    assert torch.equal(quantise({"depthwise.weight": kernel})["depthwise.weight"], kernel)


def test_tensors_that_were_never_quantised_pass_through() -> None:
    half = torch.randn(3, 3).bfloat16()
    assert dequantise({"weight": half})["weight"] is half
