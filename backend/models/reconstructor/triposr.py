"""TripoSR: one image to a triplane radiance field.

Source: TripoSR (arXiv 2403.02151) and its public configuration. Model frame: z up, the input camera on +x,
the object within +-0.87.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from diffusers.models.attention import BasicTransformerBlock
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from backend.models.layers.mlp import mlp
from backend.models.layers.pixels import normalise
from backend.models.layers.triplane import TRIPOSR_AXES, decode_lattice, decode_points
from backend.models.layers.vision_transformer import VisionTransformer, VisionTransformerConfig

BACKGROUND = 0.5
"""Grey level that the input is composited on."""
NORM_GROUPS = 32


@dataclass(frozen=True)
class TripoSRConfig:
    """One TripoSR; the defaults are the public one."""

    encoder: VisionTransformerConfig = field(default_factory=VisionTransformerConfig)
    image_size: int = 512
    """Side of the input, pixels."""
    width: int = 1024
    layers: int = 16
    heads: int = 16
    plane_tokens: int = 32
    """Side of a plane, tokens; the planes come out at twice that."""
    plane_channels: int = 40
    hidden: int = 64
    """Width of the decoder."""
    decoder_layers: int = 10
    radius: float = 0.87
    """Half the side of the cube that the planes span."""
    density_bias: float = -1.0


class TriplaneBackbone(nn.Module):
    """Transformer over triplane tokens, reading the image tokens, as a residual on its input."""

    def __init__(self, config: TripoSRConfig) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(NORM_GROUPS, config.width, eps=1e-6)
        self.proj_in = nn.Linear(config.width, config.width)
        self.transformer_blocks = nn.ModuleList(
            BasicTransformerBlock(
                config.width,
                config.heads,
                config.width // config.heads,
                cross_attention_dim=config.encoder.width,
                activation_fn="geglu",
            )
            for _ in range(config.layers)
        )
        self.proj_out = nn.Linear(config.width, config.width)

    def forward(
        self,
        tokens: Float[Tensor, "batch width token"],
        context: Float[Tensor, "batch context_token context_width"],
    ) -> Float[Tensor, "batch width token"]:
        hidden = self.proj_in(rearrange(self.norm(tokens), "b c n -> b n c"))
        for block in self.transformer_blocks:
            hidden = block(hidden, encoder_hidden_states=context)
        return rearrange(self.proj_out(hidden), "b n c -> b c n") + tokens


class TripoSR(nn.Module):
    """An image to feature planes, and the field that they hold."""

    def __init__(self, config: TripoSRConfig) -> None:
        super().__init__()
        self.config = config
        side = config.plane_tokens
        self.encoder = VisionTransformer(config.encoder)
        self.tokens = nn.Parameter(torch.randn(3, config.width, side, side) / config.width**0.5)
        self.backbone = TriplaneBackbone(config)
        self.upsample = nn.ConvTranspose2d(config.width, config.plane_channels, kernel_size=2, stride=2)
        self.decoder = mlp(3 * config.plane_channels, config.hidden, 4, config.decoder_layers, nn.SiLU)

    def planes(self, images: Float[Tensor, "batch 3 size size"]) -> Float[Tensor, "batch 3 channel _ _"]:
        """Images in [0, 1] on grey, already `image_size` pixels wide, to feature planes."""
        return self.triplane(self.encoder(normalise(images)))

    def triplane(
        self, context: Float[Tensor, "batch context_token context_width"]
    ) -> Float[Tensor, "batch 3 channel _ _"]:
        """Image tokens to feature planes."""
        # The one parameter that is no module's own, so nobody has brought it to the device.
        tokens = rearrange(self.tokens.to(context), "p c h w -> c (p h w)").expand(len(context), -1, -1)
        tokens = self.backbone(tokens, context)
        side = self.config.plane_tokens
        planes = self.upsample(rearrange(tokens, "b c (p h w) -> (b p) c h w", p=3, h=side, w=side))
        return rearrange(planes, "(b p) c h w -> b p c h w", p=3)

    def radiance(
        self, planes: Float[Tensor, "3 channel size size"], points: Float[Tensor, "point 3"]
    ) -> tuple[Float[Tensor, "point 1"], Float[Tensor, "point 3"]]:
        """Volume density and sRGB colour at points in the model frame."""
        decoded = decode_points(planes, self.decoder, points / self.config.radius, TRIPOSR_AXES)
        density, rgb = decoded.split([1, 3], dim=-1)
        return torch.exp(density + self.config.density_bias), torch.sigmoid(rgb)

    def density_slabs(
        self, planes: Float[Tensor, "3 channel size size"], resolution: int
    ) -> Iterator[Float[Tensor, "resolution resolution"]]:
        """Density at the vertices of a grid over the whole cube: for each x a slab [y, z]."""
        ticks = torch.linspace(-1, 1, resolution, device=planes.device)
        for slab in decode_lattice(planes, self.decoder, ticks, TRIPOSR_AXES):
            yield torch.exp(slab[..., 0] + self.config.density_bias)


def resize_input(images: Float[Tensor, "batch 3 _ _"], size: int) -> Float[Tensor, "batch 3 size size"]:
    """Bilinear with antialiasing, as in training."""
    return functional.interpolate(images, size=(size, size), mode="bilinear", antialias=True)
