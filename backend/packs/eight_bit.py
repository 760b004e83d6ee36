"""Weights in eight bits: integers with one scale for each output channel.

Half of bfloat16's size at about its precision: what a channel's largest weight leaves unused is lost, and the
model card says what that cost.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

SCALE_SUFFIX = ".scale_of_eight_bits"
_LARGEST = 127
_FEWEST = 32
"""Weights of an output channel below which they stay in float32: a depthwise kernel has 9 or 25 of them. They
take no room, and rounding them cost 0.7 per cent of the coordinates' error."""


def quantise(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Matrices and large kernels to int8 with a float32 scale beside each; everything else as float32."""
    stored: dict[str, Tensor] = {}
    for name, tensor in state.items():
        values = tensor.detach().float().contiguous()
        if values.ndim < 2 or values[0].numel() < _FEWEST:
            stored[name] = values
            continue
        rows = values.flatten(1)
        scale = rows.abs().amax(dim=1).clamp_min(torch.finfo(torch.float32).tiny) / _LARGEST
        stored[name] = (rows / scale[:, None]).round().to(torch.int8).reshape(values.shape)
        stored[name + SCALE_SUFFIX] = scale
    return stored


def dequantise(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The inverse of `quantise`, up to half a scale; tensors without a scale pass through."""
    state: dict[str, Tensor] = {}
    for name, tensor in stored.items():
        if name.endswith(SCALE_SUFFIX):
            continue
        scale = stored.get(name + SCALE_SUFFIX)
        if scale is None:
            state[name] = tensor
        else:
            state[name] = (tensor.flatten(1).float() * scale[:, None]).reshape(tensor.shape)
    return state
