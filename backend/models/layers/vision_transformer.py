"""The image encoders of the large reconstruction models: DINO and DINOv2, optionally modulated.

Sources: DINO (arXiv 2104.14294), DINOv2 with registers (arXiv 2309.16588), camera modulation as in
InstantMesh (arXiv 2404.07191, section 3.2), after DiT's adaptive layer norm (arXiv 2212.09748).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from backend.models.layers.attention import Attention, FeedForward


@dataclass(frozen=True)
class VisionTransformerConfig:
    """One vision transformer; the defaults are DINO ViT-B/16."""

    width: int = 768
    layers: int = 12
    heads: int = 12
    hidden: int = 3072
    """Width inside the feed-forward layers."""
    patch: int = 16
    """Side of a patch, pixels."""
    position_grid: int = 14
    """Side of the grid that the position embeddings were learnt on, patches."""
    norm_eps: float = 1e-12
    modulation_width: int | None = None
    """Width of the vector that shifts and scales every layer norm, if any."""
    registers: int = 0
    """Register tokens: attended to, not returned."""
    layer_scale: bool = False
    """A learnt gain on each residual branch."""
    resample_offset: float = 0.1
    """Added to the patch count when positions are resampled. It shifts the samples, and the public weights
    were trained so; 0 resamples to the exact size."""
    resample_antialias: bool = False


class LayerScale(nn.Module):
    """A learnt gain for each channel (arXiv 2103.17239)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, tokens: Float[Tensor, "batch token width"]) -> Float[Tensor, "batch token width"]:
        return tokens * self.weight


class VisionTransformerBlock(nn.Module):
    """Pre-norm self-attention and feed-forward, with optional modulation and layer scale."""

    def __init__(self, config: VisionTransformerConfig) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(config.width, eps=config.norm_eps)
        self.attention = Attention(config.width, config.heads, qkv_bias=True, out_bias=True)
        self.gain1 = LayerScale(config.width) if config.layer_scale else nn.Identity()
        self.norm2 = nn.LayerNorm(config.width, eps=config.norm_eps)
        self.mlp = FeedForward(config.width, config.hidden)
        self.gain2 = LayerScale(config.width) if config.layer_scale else nn.Identity()
        self.modulation = (
            None
            if config.modulation_width is None
            else nn.Sequential(nn.SiLU(), nn.Linear(config.modulation_width, 4 * config.width))
        )

    def forward(
        self,
        tokens: Float[Tensor, "batch token width"],
        modulation: Float[Tensor, "batch modulation"] | None,
    ) -> Float[Tensor, "batch token width"]:
        if self.modulation is None:
            tokens = tokens + self.gain1(self.attention(self.norm1(tokens)))
            return tokens + self.gain2(self.mlp(self.norm2(tokens)))
        shift1, scale1, shift2, scale2 = self.modulation(modulation)[:, None].chunk(4, dim=-1)
        tokens = tokens + self.gain1(self.attention(self.norm1(tokens) * (1 + scale1) + shift1))
        return tokens + self.gain2(self.mlp(self.norm2(tokens) * (1 + scale2) + shift2))


class VisionTransformer(nn.Module):
    """Images to one class token and one token a patch."""

    def __init__(self, config: VisionTransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.class_token = nn.Parameter(torch.zeros(1, 1, config.width))
        self.position_embedding = nn.Parameter(torch.zeros(1, 1 + config.position_grid**2, config.width))
        self.registers = (
            nn.Parameter(torch.zeros(1, config.registers, config.width)) if config.registers else None
        )
        self.patch_embedding = nn.Conv2d(3, config.width, config.patch, stride=config.patch)
        self.blocks = nn.ModuleList(VisionTransformerBlock(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width, eps=config.norm_eps)

    def forward(
        self,
        images: Float[Tensor, "batch 3 height width"],
        modulation: Float[Tensor, "batch modulation"] | None = None,
    ) -> Float[Tensor, "batch token width"]:
        """Normalised images, their sides multiples of the patch; the class token comes first."""
        tokens = self.embed(images)
        if self.registers is not None:
            registers = self.registers.expand(len(tokens), -1, -1)
            tokens = torch.cat([tokens[:, :1], registers, tokens[:, 1:]], dim=1)
        for block in self.blocks:
            tokens = block(tokens, modulation)
        tokens = self.norm(tokens)
        return torch.cat([tokens[:, :1], tokens[:, 1 + self.config.registers :]], dim=1)

    def embed(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch token width"]:
        """Class and patch tokens with their positions, as the first block takes them."""
        patches = self.patch_embedding(images)
        positions = self._positions(patches.shape[-2], patches.shape[-1])
        tokens = rearrange(patches, "b c h w -> b (h w) c")
        return torch.cat([self.class_token.expand(len(tokens), -1, -1), tokens], dim=1) + positions

    def _positions(self, height: int, width: int) -> Float[Tensor, "1 token width"]:
        grid = self.config.position_grid
        if height == width == grid:
            return self.position_embedding
        learnt = rearrange(self.position_embedding[:, 1:], "b (h w) c -> b c h w", h=grid)
        offset = self.config.resample_offset
        resampled = functional.interpolate(
            learnt.float(),  # bfloat16 is not implemented with antialiasing, and would round
            size=None if offset else (height, width),
            scale_factor=((height + offset) / grid, (width + offset) / grid) if offset else None,
            mode="bicubic",
            antialias=self.config.resample_antialias,
        )
        patches = rearrange(resampled, "b c h w -> b (h w) c")
        return torch.cat([self.position_embedding[:, :1], patches.to(learnt)], dim=1)
