"""What a reference shows of a square plate that faces it."""

from __future__ import annotations

import torch

from backend.models.interfaces import SeenSurfaces

SIZE = 64


def seen_plate(side: float, half_depth: float) -> SeenSurfaces:
    steps = (torch.arange(SIZE) + 0.5) / SIZE - 0.5
    y, x = torch.meshgrid(-steps, steps, indexing="ij")
    depth = torch.full_like(x, half_depth)
    shown = (x.abs() < side / 2) & (y.abs() < side / 2)
    return SeenSurfaces(torch.stack([x, y, depth]), torch.stack([x, y, -depth]), shown)
