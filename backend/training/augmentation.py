"""Augmentations that cost next to nothing, applied to whole batches."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def recolour(
    rgba: Float[Tensor, "batch *view 4 h w"],
    generator: torch.Generator,
    transform: tuple[Tensor, Tensor] | None = None,
) -> tuple[Float[Tensor, "batch *view 4 h w"], tuple[Tensor, Tensor]]:
    """A random channel permutation and gain per sample (identity for half of them); alpha stays.

    Returns the images and the transform, to be given again so that a sample's reference and views change
    alike.
    """
    batch = rgba.shape[0]
    if transform is None:
        matrices = []
        for _ in range(batch):
            order = torch.randperm(3, generator=generator)
            active = torch.rand((), generator=generator) < 0.5
            matrices.append(torch.eye(3)[order] if active else torch.eye(3))
        gain = 1 + (torch.rand(batch, 3, generator=generator) - 0.5) * 0.3
        transform = (torch.stack(matrices).to(rgba.device), gain.to(rgba.device))
    matrix, gain = transform
    flat = rgba.reshape(batch, -1, 4, *rgba.shape[-2:])
    colour = torch.einsum("bij,bvjhw->bvihw", matrix, flat[:, :, :3]) * gain[:, None, :, None, None]
    return torch.cat([colour.clamp(0, 1), flat[:, :, 3:]], dim=2).reshape(rgba.shape), transform
