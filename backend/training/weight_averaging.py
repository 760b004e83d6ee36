"""The mean of two sets of weights, of which one was trained on from the other."""

from __future__ import annotations

import torch
from torch import nn


@torch.no_grad()
def average_into(module: nn.Module, other: nn.Module) -> None:
    """Set every floating-point tensor of `module` to its mean with `other`'s.

    Between a model and what fine-tuning makes of it the loss has no barrier, and the mean is often better
    than both on data that is not quite that of either (Wortsman et al., arXiv 2109.01903, section 3,
    alpha = 1/2).

    Raises:
        ValueError: they are not of one architecture.
    """
    mine, theirs = module.state_dict(), other.state_dict()
    if {n: t.shape for n, t in mine.items()} != {n: t.shape for n, t in theirs.items()}:
        raise ValueError("weights of two architectures have no mean")
    for name, tensor in mine.items():
        if tensor.is_floating_point():
            tensor.lerp_(theirs[name], 0.5)
