"""Object coordinates from one image: where each pixel's first and last surface lie.

The canonical coordinate map of CRM (Wang et al. 2024, arXiv 2403.05034), predicted in one pass and for the
front and the back surface. It gives nano's views their draft and the reference view its elevation.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from diffusers.models.unets.unet_2d import UNet2DModel
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class CoordinateNetConfig:
    """Sizes of `CoordinateNet`."""

    patch: int = 2
    """Side of the pixel blocks folded into channels."""
    channels: tuple[int, ...] = (48, 80, 96)
    """Width of each resolution."""


class CoordinateNet(nn.Module):
    """A small UNet with self-attention at its lowest resolution."""

    def __init__(self, config: CoordinateNetConfig) -> None:
        super().__init__()
        self.config = config
        levels = len(config.channels)
        self.unet = UNet2DModel(
            sample_size=None,
            in_channels=4 * config.patch**2,
            out_channels=6 * config.patch**2,
            block_out_channels=config.channels,
            down_block_types=("DownBlock2D",) * (levels - 1) + ("AttnDownBlock2D",),
            up_block_types=("AttnUpBlock2D",) + ("UpBlock2D",) * (levels - 1),
            layers_per_block=1,
            norm_num_groups=16,
            attention_head_dim=32,
        )

    def forward(
        self, reference: Float[Tensor, "batch 4 h w"]
    ) -> tuple[Float[Tensor, "batch 3 h w"], Float[Tensor, "batch 3 h w"]]:
        """Front and back positions in the model frame, for sRGB straight-alpha images in [0, 1]."""
        alpha = reference[:, 3:]
        signed = torch.cat([(reference[:, :3] * 2 - 1) * alpha, alpha * 2 - 1], dim=1)
        folded = functional.pixel_unshuffle(signed, self.config.patch)
        output = self.unet(folded, 0).sample
        unfolded = functional.pixel_shuffle(output, self.config.patch)
        front, back = rearrange(unfolded, "b (surface c) h w -> surface b c h w", surface=2)
        return front, back
