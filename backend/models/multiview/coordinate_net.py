"""Object coordinates from one image: each pixel's first and last surface, and the elevation of the camera.

The canonical coordinate map of CRM (Wang et al. 2024, arXiv 2403.05034), predicted in one pass and for the
front and the back surface. Positions are predicted in the camera's own axes, where two of the three are
almost given by the pixel, and turned upright by the elevation predicted beside them: whoever cannot tell the
elevation need not blur the shape for it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from backend.models.layers.efficientnet_lite import WIDTHS, EfficientNetLite

_DEGREES = 30.0
"""Elevations are predicted in units of this, so that they are about as large as the positions."""


@dataclass(frozen=True)
class CoordinateNetConfig:
    """Sizes of `CoordinateNet`."""

    image_size: int = 128
    """Side of the image that is read; positions are predicted at half of it."""
    width: int = 192
    """Of the tokens at a sixteenth of the image."""
    layers: int = 6
    """Transformer layers over those tokens."""
    channels: tuple[int, int] = (128, 96)
    """Width of the decoder at an eighth and at a quarter of the image."""


@dataclass(frozen=True)
class ObjectCoordinates:
    """What `CoordinateNet` sees in a batch of images."""

    front: Float[Tensor, "batch 3 h w"]
    """Position of the first surface behind each pixel, around the object's centre, in model units and in the
    axes of a level camera that aims at it: right, up, towards the camera."""
    back: Float[Tensor, "batch 3 h w"]
    """Likewise of the last surface."""
    elevation: Float[Tensor, " batch"]
    """Of the camera above the horizon, degrees."""

    def upright(self) -> tuple[Float[Tensor, "batch 3 h w"], Float[Tensor, "batch 3 h w"]]:
        """Front and back in the model frame: +Y up, the camera at azimuth 0."""
        turn = camera_axes(self.elevation)
        return (
            torch.einsum("bji,bjhw->bihw", turn, self.front),
            torch.einsum("bji,bjhw->bihw", turn, self.back),
        )


def see_twice(net: CoordinateNet, reference: Float[Tensor, "batch 4 h w"]) -> ObjectCoordinates:
    """The mean of what `net` sees in the images and in their mirror images."""
    count = len(reference)
    both: ObjectCoordinates = net(torch.cat([reference, reference.flip(-1)]))

    def mean(surface: Float[Tensor, "images 3 h w"]) -> Float[Tensor, "batch 3 h w"]:
        mirrored = surface[count:].flip(-1) * surface.new_tensor([-1.0, 1.0, 1.0])[:, None, None]
        return (surface[:count] + mirrored) / 2

    return ObjectCoordinates(
        mean(both.front), mean(both.back), (both.elevation[:count] + both.elevation[count:]) / 2
    )


def camera_axes(elevation: Float[Tensor, " batch"]) -> Float[Tensor, "batch 3 3"]:
    """Rows: right, up and backward of a camera at azimuth 0 and `elevation` degrees, in the model frame."""
    angle = torch.deg2rad(elevation.float())
    c, s, zero, one = angle.cos(), angle.sin(), torch.zeros_like(angle), torch.ones_like(angle)
    rows = [torch.stack(row, dim=-1) for row in ((one, zero, zero), (zero, c, -s), (zero, s, c))]
    return torch.stack(rows, dim=-2)


class CoordinateNet(nn.Module):
    """An ImageNet-trained trunk, attention over an 8 x 8 map of it, and a decoder with skips."""

    def __init__(self, config: CoordinateNetConfig) -> None:
        super().__init__()
        self.config = config
        half, quarter, eighth, sixteenth, last = WIDTHS
        side = config.image_size // 16
        self.trunk = EfficientNetLite(inputs=4)
        self.lateral = nn.Sequential(
            nn.Conv2d(last + sixteenth, config.width, 1), nn.GroupNorm(8, config.width)
        )
        self.positions = nn.Parameter(torch.randn(1, side * side, config.width) * 0.02)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                config.width,
                max(config.width // 32, 1),
                2 * config.width,
                dropout=0.0,
                activation="gelu",
                batch_first=True,
                norm_first=True,
            )
            for _ in range(config.layers)
        )
        self.elevation = nn.Sequential(nn.LayerNorm(config.width), nn.Linear(config.width, 1))
        middle, fine = config.channels
        self.up_eighth = _Merge(config.width, eighth, middle)
        self.up_quarter = _Merge(middle, quarter + 4 * half, fine)
        self.output = nn.Sequential(nn.GroupNorm(8, fine), nn.SiLU(), nn.Conv2d(fine, 6 * 4, 3, padding=1))

    def forward(self, reference: Float[Tensor, "batch 4 h w"]) -> ObjectCoordinates:
        """See sRGB straight-alpha images in [0, 1] of side `image_size`; positions come at half that side."""
        alpha = reference[:, 3:]
        signed = torch.cat([(reference[:, :3] * 2 - 1) * alpha, alpha * 2 - 1], dim=1)
        half, quarter, eighth, sixteenth, last = self.trunk(
            signed.contiguous(memory_format=torch.channels_last)
        )
        deep = self.lateral(torch.cat([functional.interpolate(last, scale_factor=2.0), sixteenth], dim=1))
        side = deep.shape[-1]
        tokens = rearrange(deep, "b c h w -> b (h w) c") + self.positions
        for layer in self.layers:
            tokens = layer(tokens)
        deep = rearrange(tokens, "b (h w) c -> b c h w", h=side)
        middle = self.up_eighth(deep, eighth)
        fine = self.up_quarter(middle, torch.cat([quarter, functional.pixel_unshuffle(half, 2)], dim=1))
        unfolded = functional.pixel_shuffle(self.output(fine), 2).float()
        front, back = rearrange(unfolded, "b (surface c) h w -> surface b c h w", surface=2)
        elevation = self.elevation(tokens.mean(dim=1))[:, 0].float() * _DEGREES
        return ObjectCoordinates(front, back, elevation)


class _Merge(nn.Module):
    """A coarser map enlarged twofold, joined with a skip and refined by two convolutions."""

    def __init__(self, coarse: int, skip: int, width: int) -> None:
        super().__init__()
        self.join = nn.Conv2d(coarse + skip, width, 1)
        self.refine = nn.Sequential(
            nn.GroupNorm(8, width),
            nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.GroupNorm(8, width),
            nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=1),
        )

    def forward(
        self, coarse: Float[Tensor, "batch c h w"], skip: Float[Tensor, "batch d h2 w2"]
    ) -> Float[Tensor, "batch e h2 w2"]:
        joined: Tensor = self.join(torch.cat([functional.interpolate(coarse, scale_factor=2.0), skip], dim=1))
        return joined + self.refine(joined)
