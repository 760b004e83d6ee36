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


def corrupt_views(
    rgba: Float[Tensor, "batch 6 4 h w"],
    normals: Float[Tensor, "batch 6 3 h w"],
    depth: Float[Tensor, "batch 6 h w"],
    generator: torch.Generator,
) -> tuple[Float[Tensor, "batch 6 4 h w"], Float[Tensor, "batch 6 3 h w"], Float[Tensor, "batch 6 h w"]]:
    """Make true views about as wrong as generated ones: half of the samples stay as they are.

    Each view is shifted by up to two pixels (LGM jitters its cameras likewise), normals and depth get smooth
    noise, and depth is withheld from a third of the samples (all zero).
    """
    batch, views, _, size, _ = rgba.shape
    device = rgba.device

    def smooth_noise(channels: int) -> Tensor:
        coarse = torch.randn(batch * views, channels, 8, 8, generator=generator).to(device)
        fine = torch.nn.functional.interpolate(
            coarse, size=(size, size), mode="bilinear", align_corners=False
        )
        return fine.reshape(batch, views, channels, size, size)

    active = (torch.rand(batch, generator=generator) < 0.5).float().to(device)[:, None, None, None, None]
    shift = (
        (torch.rand(batch, views, 2, generator=generator).to(device) * 2 - 1)
        * (4 / size)
        * active[:, :, :, 0, 0]
    )
    steps = (torch.arange(size, device=device) + 0.5) / size * 2 - 1
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    grid = torch.stack([x, y], dim=-1) + shift[:, :, None, None, :]
    stacked = torch.cat([rgba, normals, depth[:, :, None]], dim=2).flatten(0, 1)
    moved = torch.nn.functional.grid_sample(
        stacked, grid.flatten(0, 1), padding_mode="border", align_corners=False
    ).reshape(batch, views, 8, size, size)
    rgb = (moved[:, :, :3] + smooth_noise(3) * 0.04 * active).clamp(0, 1)
    turned = torch.nn.functional.normalize(moved[:, :, 4:7] + smooth_noise(3) * 0.25 * active, dim=2)
    farther = moved[:, :, 7] + smooth_noise(1)[:, :, 0] * 0.03 * active[:, :, 0]
    kept = (torch.rand(batch, generator=generator) > 0.33).float().to(device)[:, None, None, None]
    return torch.cat([rgb, moved[:, :, 3:4]], dim=2), turned, farther * kept
