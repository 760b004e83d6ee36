"""OpenLRM 1.1: one image to a triplane radiance field, modulated by a canonical camera.

Source: LRM (arXiv 2311.04400) and the public OpenLRM 1.1 configurations. Model frame: z up, the input
camera on -y, planes over [-1, 1]^3.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from backend.models.layers.radiance import RadianceDecoder
from backend.models.layers.triplane_transformer import TriplaneTransformer, TriplaneTransformerConfig
from backend.models.layers.vision_transformer import VisionTransformer, VisionTransformerConfig

CANONICAL_CAMERA = (1.0, 0, 0, 0, 0, 0, -1, -2, 0, 1, 0, 0, 0.75, 0.75, 0.5, 0.5)
"""Camera to world (3 x 4, by rows), then focal lengths and centre by image size: two units away on -y."""


@dataclass(frozen=True)
class OpenLRMConfig:
    """One OpenLRM; the defaults are the `large` one."""

    encoder: VisionTransformerConfig = field(
        default_factory=lambda: VisionTransformerConfig(
            patch=14,
            position_grid=37,
            norm_eps=1e-6,
            registers=4,
            layer_scale=True,
            resample_offset=0.0,
            resample_antialias=True,
        )
    )
    transformer: TriplaneTransformerConfig = field(
        default_factory=lambda: TriplaneTransformerConfig(modulation_width=1024, block_norm_eps=1e-6)
    )
    image_size: int = 448
    """Side of the input, pixels."""
    camera_width: int = 1024
    """Width of the camera embedding that modulates the transformer."""
    hidden: int = 64
    """Width of the decoder."""


class OpenLRM(nn.Module):
    """An image to feature planes, and the field that they hold."""

    def __init__(self, config: OpenLRMConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = VisionTransformer(config.encoder)
        self.camera_embedding = nn.Sequential(
            nn.Linear(len(CANONICAL_CAMERA), config.camera_width),
            nn.SiLU(),
            nn.Linear(config.camera_width, config.camera_width),
        )
        self.transformer = TriplaneTransformer(config.transformer)
        self.decoder = RadianceDecoder(3 * config.transformer.plane_channels, config.hidden)

    def planes(
        self,
        images: Float[Tensor, "batch 3 size size"],
        cameras: Float[Tensor, "batch 16"] | None = None,
    ) -> Float[Tensor, "batch 3 channel _ _"]:
        """Images in [0, 1] on white, not normalised further; the camera is the canonical one by default."""
        if cameras is None:
            cameras = images.new_tensor(CANONICAL_CAMERA).expand(len(images), -1)
        return self.transformer(self.encoder(images), self.camera_embedding(cameras))

    def radiance(
        self, planes: Float[Tensor, "3 channel size size"], points: Float[Tensor, "point 3"]
    ) -> tuple[Float[Tensor, "point 1"], Float[Tensor, "point 3"]]:
        """Volume density and sRGB colour at points in the model frame."""
        return self.decoder(planes, points)

    def density_slabs(
        self, planes: Float[Tensor, "3 channel size size"], resolution: int
    ) -> Iterator[Float[Tensor, "resolution resolution"]]:
        """Density at the vertices of a grid over the whole cube: for each x a slab [y, z]."""
        return self.decoder.density_slabs(planes, resolution)


def resize_input(images: Float[Tensor, "batch 3 _ _"], size: int) -> Float[Tensor, "batch 3 size size"]:
    """Bicubic between the corner pixels' centres, clamped to [0, 1], as in training."""
    resized = functional.interpolate(images, size=(size, size), mode="bicubic", align_corners=True)
    return torch.clamp(resized, 0, 1)
