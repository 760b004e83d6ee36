"""Learnt triplane tokens that read the image tokens and become three feature planes.

Source: LRM (arXiv 2311.04400, section 3.2); without modulation as in InstantMesh (arXiv 2404.07191).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from backend.models.layers.attention import Attention, FeedForward


@dataclass(frozen=True)
class TriplaneTransformerConfig:
    """One image-to-triplane transformer."""

    width: int = 1024
    layers: int = 16
    heads: int = 16
    context_width: int = 768
    """Width of the image tokens."""
    plane_tokens: int = 32
    """Side of a plane, tokens; the planes come out at twice that."""
    plane_channels: int = 80
    modulation_width: int | None = None
    """Width of the vector that shifts and scales the blocks' layer norms, if any."""
    block_norm_eps: float = 1e-5
    final_norm_eps: float = 1e-6


class BlockNorm(nn.Module):
    """Layer norm, shifted and scaled by a projection of a condition where there is one."""

    def __init__(self, width: int, modulation_width: int | None, eps: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=eps)
        self.projection = (
            None
            if modulation_width is None
            else nn.Sequential(nn.SiLU(), nn.Linear(modulation_width, 2 * width))
        )

    def forward(
        self,
        tokens: Float[Tensor, "batch token width"],
        modulation: Float[Tensor, "batch modulation"] | None,
    ) -> Float[Tensor, "batch token width"]:
        if self.projection is None:
            return self.norm(tokens)
        shift, scale = self.projection(modulation)[:, None].chunk(2, dim=-1)
        return self.norm(tokens) * (1 + scale) + shift


class TriplaneBlock(nn.Module):
    """Pre-norm cross-attention to the image, self-attention, feed-forward."""

    def __init__(self, config: TriplaneTransformerConfig) -> None:
        super().__init__()
        self.norm1, self.norm2, self.norm3 = (
            BlockNorm(config.width, config.modulation_width, config.block_norm_eps) for _ in range(3)
        )
        self.cross_attention = Attention(config.width, config.heads, config.context_width)
        self.self_attention = Attention(config.width, config.heads)
        self.mlp = FeedForward(config.width, 4 * config.width)

    def forward(
        self,
        tokens: Float[Tensor, "batch token width"],
        context: Float[Tensor, "batch context_token context_width"],
        modulation: Float[Tensor, "batch modulation"] | None,
    ) -> Float[Tensor, "batch token width"]:
        tokens = tokens + self.cross_attention(self.norm1(tokens, modulation), context)
        tokens = tokens + self.self_attention(self.norm2(tokens, modulation))
        return tokens + self.mlp(self.norm3(tokens, modulation))


class TriplaneTransformer(nn.Module):
    """Image tokens to three feature planes."""

    def __init__(self, config: TriplaneTransformerConfig) -> None:
        super().__init__()
        self.config = config
        tokens = 3 * config.plane_tokens**2
        self.position_embedding = nn.Parameter(torch.randn(1, tokens, config.width) / config.width**0.5)
        self.blocks = nn.ModuleList(TriplaneBlock(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width, eps=config.final_norm_eps)
        self.upsample = nn.ConvTranspose2d(config.width, config.plane_channels, kernel_size=2, stride=2)

    def forward(
        self,
        context: Float[Tensor, "batch context_token context_width"],
        modulation: Float[Tensor, "batch modulation"] | None = None,
    ) -> Float[Tensor, "batch 3 channel size size"]:
        tokens = self.position_embedding.expand(len(context), -1, -1)
        for block in self.blocks:
            tokens = block(tokens, context, modulation)
        side = self.config.plane_tokens
        planes = rearrange(self.norm(tokens), "b (p h w) c -> (b p) c h w", p=3, h=side, w=side)
        return rearrange(self.upsample(planes), "(b p) c h w -> b p c h w", p=3)
