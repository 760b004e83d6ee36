"""Nano's multi-view denoiser: Zero123++'s architecture at a hundredth of its size, in pixel space.

Six views lie in one 3 x 2 image, so that the UNet's self-attention spans them (Zero123++, arXiv 2310.15110),
and the clean reference enters through reference attention. Three things differ from the public model, all
because it must learn from a few thousand assets on a CPU: pixels folded 2 x 2 into channels stand in for the
autoencoder; a splatted draft of the object (geometry/point_cloud.py) is concatenated to the noisy input; and
a class label says whether colours or normals are denoised (the domain switcher of Wonder3D, arXiv
2310.15008), so that the frozen base of the normal ControlNet already knows what normals look like.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from diffusers.models.controlnets.controlnet import ControlNetModel
from einops import rearrange, repeat
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from backend.geometry.cameras import Cameras, six_view_cameras
from backend.models.multiview.reference_attention import ReferenceAttentionUNet, ReferenceFeatures

COLOUR, NORMAL = 0, 1
"""Class labels of the two domains."""
_POSITION_SCALE = 2.0
"""Model-frame positions lie within 0.5 of the origin; inputs should fill [-1, 1]."""


@dataclass(frozen=True)
class NanoDenoiserConfig:
    """Sizes of `NanoDenoiser` and of its ControlNet."""

    view_size: int = 64
    """Side of each generated view, pixels."""
    view_distance: float = 2.0
    """Of the six cameras from the origin, in model units."""
    patch: int = 2
    """Side of the pixel blocks folded into channels."""
    channels: tuple[int, ...] = (64, 96, 160)
    """Width of each resolution of the UNet."""
    text_width: int = 64
    """Width of the two tokens that stand where the public model has text."""


@dataclass(frozen=True)
class Conditioning:
    """What every denoising step sees of the reference image."""

    reference: ReferenceFeatures
    draft: Float[Tensor, "batch 10 gridh gridw"]
    """Splatted RGB, coverage, positions, and the viewing rays, tiled."""
    tokens: Float[Tensor, "batch 2 text"]


def tile(views: Float[Tensor, "batch 6 c h w"]) -> Float[Tensor, "batch c 3*h 2*w"]:
    """Six views to Zero123++'s grid: view k at row k // 2, column k % 2."""
    return rearrange(views, "b (row col) c h w -> b c (row h) (col w)", row=3, col=2)


def untile(grid: Float[Tensor, "batch c gridh gridw"]) -> Float[Tensor, "batch 6 c h w"]:
    """The inverse of `tile`."""
    return rearrange(grid, "b c (row h) (col w) -> b (row col) c h w", row=3, col=2)


def encode_colour(rgba: Float[Tensor, "*batch 4 h w"]) -> Float[Tensor, "*batch 4 h w"]:
    """Straight alpha in [0, 1] to [-1, 1], with the background at grey."""
    alpha = rgba[..., 3:, :, :]
    return torch.cat([(rgba[..., :3, :, :] * 2 - 1) * alpha, alpha * 2 - 1], dim=-3)


def decode_colour(encoded: Float[Tensor, "*batch 4 h w"]) -> Float[Tensor, "*batch 4 h w"]:
    """The inverse of `encode_colour`; colours under no coverage come out grey."""
    alpha = ((encoded[..., 3:, :, :] + 1) / 2).clamp(0, 1)
    rgb = (encoded[..., :3, :, :] / alpha.clamp_min(0.1) + 1) / 2
    return torch.cat([rgb.clamp(0, 1), alpha], dim=-3)


def encode_normals(
    normals: Float[Tensor, "*batch 3 h w"],
    depth: Float[Tensor, "*batch h w"],
    alpha: Float[Tensor, "*batch h w"],
    distance: float,
) -> Float[Tensor, "*batch 4 h w"]:
    """World normals, and nearness in [-1, 1] over the model's depth range; background at (0, 0, 0, -1)."""
    nearness = ((distance - depth) / 0.5).clamp(-1, 1)
    covered = alpha.unsqueeze(-3)
    nearness = nearness.unsqueeze(-3) * covered - (1 - covered)
    return torch.cat([normals * covered, nearness], dim=-3)


def decode_normals(
    encoded: Float[Tensor, "*batch 4 h w"], distance: float
) -> tuple[Float[Tensor, "*batch 3 h w"], Float[Tensor, "*batch h w"]]:
    """Unit normals and depth."""
    return functional.normalize(encoded[..., :3, :, :], dim=-3), distance - encoded[..., 3, :, :] * 0.5


class NanoDenoiser(nn.Module):
    """Predicts the clean six views from noisy ones (x0 parametrisation)."""

    def __init__(self, config: NanoDenoiserConfig) -> None:
        super().__init__()
        self.config = config
        levels = len(config.channels)
        self.unet = ReferenceAttentionUNet(
            sample_size=None,
            in_channels=14 * config.patch**2,
            out_channels=4 * config.patch**2,
            block_out_channels=config.channels,
            down_block_types=("DownBlock2D",) * (levels - 1) + ("CrossAttnDownBlock2D",),
            up_block_types=("CrossAttnUpBlock2D",) + ("UpBlock2D",) * (levels - 1),
            layers_per_block=1,
            cross_attention_dim=config.text_width,
            attention_head_dim=tuple(max(c // 32, 1) for c in config.channels),
            norm_num_groups=16,
            num_class_embeds=2,
        )
        self.elevation_token = nn.Linear(2, config.text_width)
        self.null_token = nn.Parameter(torch.zeros(config.text_width))

    @property
    def cameras(self) -> Cameras:
        """Of the six views, in the model frame."""
        return six_view_cameras(self.config.view_distance)

    def condition(
        self,
        reference: Float[Tensor, "batch 4 h w"],
        front: Float[Tensor, "batch 3 h w"],
        draft_rgba: Float[Tensor, "batch 6 4 h w"],
        draft_positions: Float[Tensor, "batch 6 3 h w"],
        elevation: Float[Tensor, " batch"],
        domain: Int[Tensor, " batch"],
        keep: Float[Tensor, " batch"] | None = None,
    ) -> Conditioning:
        """The write pass over the clean reference, and the draft.

        Args:
            reference: sRGB, straight alpha, in [0, 1].
            front: object coordinates of the reference's pixels.
            elevation: of the reference view, degrees.
            keep: 0 drops the reference for classifier-free guidance (its draft's shape stays).
        """
        batch = reference.shape[0]
        kept = torch.ones(batch, device=reference.device) if keep is None else keep
        mask = kept[:, None, None, None]
        colour = encode_colour(reference) * mask
        empty = torch.zeros_like(colour)
        rays = torch.zeros_like(front)
        positions = front * (reference[:, 3:] > 0.5) * _POSITION_SCALE * mask
        written = self._fold(torch.cat([colour, empty, positions, rays], dim=1))
        radians = torch.deg2rad(elevation)
        angle = self.elevation_token(torch.stack([radians.sin(), radians.cos()], dim=-1))
        tokens = torch.stack([angle * kept[:, None], repeat(self.null_token, "c -> b c", b=batch)], dim=1)
        clean = torch.zeros(batch, device=reference.device)
        features = self.unet.reference_features(written, clean, tokens, domain)
        size = self.config.view_size
        directions = self.cameras.to(reference.device).rays(size)[1]
        tiled_rays = repeat(
            tile(rearrange(directions, "v h w c -> 1 v c h w")), "1 c h w -> b c h w", b=batch
        )
        draft = torch.cat(
            [
                tile(encode_colour(draft_rgba))
                * torch.cat([mask.expand(-1, 3, -1, -1), torch.ones_like(mask)], 1),
                tile(draft_positions) * _POSITION_SCALE,
                tiled_rays,
            ],
            dim=1,
        )
        return Conditioning(features, draft, tokens)

    def forward(
        self,
        noisy: Float[Tensor, "batch 6 4 h w"],
        timestep: Tensor,
        condition: Conditioning,
        domain: Int[Tensor, " batch"],
        residuals: tuple[tuple[Tensor, ...], Tensor] | None = None,
    ) -> Float[Tensor, "batch 6 4 h w"]:
        """The clean views; `residuals` come from a ControlNet."""
        down, middle = (None, None) if residuals is None else residuals
        prediction = self.unet(
            self.input_grid(noisy, condition),
            timestep,
            condition.tokens,
            condition.reference,
            down_residuals=down,
            mid_residual=middle,
            class_labels=domain,
        )
        return untile(functional.pixel_shuffle(prediction, self.config.patch))

    def input_grid(
        self, noisy: Float[Tensor, "batch 6 4 h w"], condition: Conditioning
    ) -> Float[Tensor, "batch folded gridh gridw"]:
        """Noisy views and draft, tiled and folded: what UNet and ControlNet read."""
        return self._fold(torch.cat([tile(noisy), condition.draft], dim=1))

    def _fold(self, image: Float[Tensor, "batch c h w"]) -> Float[Tensor, "batch folded h2 w2"]:
        return functional.pixel_unshuffle(image, self.config.patch)


class NanoNormalControl(nn.Module):
    """The normal ControlNet: reads the RGB views, steers the frozen denoiser towards normals and depth."""

    def __init__(self, denoiser: NanoDenoiser) -> None:
        super().__init__()
        self.controlnet = ControlNetModel.from_unet(
            denoiser.unet,
            controlnet_conditioning_channel_order="rgb",
            conditioning_embedding_out_channels=(16, 32),
            conditioning_channels=4,
        )

    def forward(
        self,
        grid: Float[Tensor, "batch folded gridh gridw"],
        timestep: Tensor,
        tokens: Float[Tensor, "batch 2 text"],
        rgba: Float[Tensor, "batch 6 4 h w"],
    ) -> tuple[tuple[Tensor, ...], Tensor]:
        """Residuals for the down blocks and the middle block, for generated or true views in [0, 1]."""
        labels = torch.full((grid.shape[0],), NORMAL, device=grid.device)
        down, middle = self.controlnet(
            grid,
            timestep,
            encoder_hidden_states=tokens,
            controlnet_cond=tile(encode_colour(rgba)),
            class_labels=labels,
            return_dict=False,
        )
        return tuple(down), middle
