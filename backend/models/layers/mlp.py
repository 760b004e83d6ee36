"""The small decoders that turn sampled features into fields."""

from __future__ import annotations

from torch import nn


def mlp(inputs: int, hidden: int, outputs: int, layers: int, activation: type[nn.Module]) -> nn.Sequential:
    """`layers` Linear layers with the activation between them."""
    widths = [inputs, *[hidden] * (layers - 1)]
    body: list[nn.Module] = []
    for width in widths[:-1]:
        body += [nn.Linear(width, hidden), activation()]
    return nn.Sequential(*body, nn.Linear(widths[-1], outputs))
