"""Nano's reconstructor: six RGB and normal views to a field of SDF, albedo, roughness and metallic.

A transformer turns image tokens of all views into 8^3 voxel tokens (the 3D latent of MeshFormer, Liu et al.
2024, in place of the public model's triplane: measured better at this size, see the model card). Two things
are handed to it instead of being learnt: the visual hull's signed distance, to which the network adds a
correction, and the views' own pixels at a query point's six projections.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from backend.geometry.cameras import Cameras
from backend.models.reconstructor.contours import contour_distance

HALF_EXTENT = 0.5
"""The volume spans [-HALF_EXTENT, HALF_EXTENT]^3 of the model frame."""
_TRUNCATION = 0.1
"""Signed distances handed to the network saturate here, model units."""
_COVERED = 0.95
"""Coverage from which a pixel's depth is one surface's."""


@dataclass(frozen=True)
class NanoVoxelConfig:
    """Sizes of `NanoVoxelReconstructor`."""

    view_size: int = 64
    view_width: int = 32
    """Channels of the pixel-aligned feature maps (half the view's resolution)."""
    token_width: int = 160
    """Width of image and voxel tokens."""
    heads: int = 5
    encoder_layers: int = 2
    decoder_layers: int = 3
    voxel_tokens: int = 8
    """Voxel tokens along each axis."""
    volume_width: int = 32
    """Channels of the 16^3 feature volume."""
    query_width: int = 64
    """Width of the per-view part of the query network."""


@dataclass(frozen=True)
class ViewMaps:
    """What a query point looks up in each view, batched; all maps are sampled bilinearly."""

    features: Float[Tensor, "batch 6 feature h2 w2"]
    pixels: Float[Tensor, "batch 6 8 h w"]
    """Straight RGB, alpha, normal, nearness-coded depth."""
    contours: Float[Tensor, "batch 6 1 fine fine"]
    """Signed distance to the mask's contour in NDC, negative inside."""
    has_depth: Float[Tensor, " batch"]


@dataclass(frozen=True)
class VoxelLatent:
    """A reconstructed object: its feature volume and its views."""

    volume: Float[Tensor, "batch channel 16 16 16"]
    views: ViewMaps


@dataclass(frozen=True)
class FieldValues:
    """The decoded field at points."""

    sdf: Float[Tensor, "batch point"]
    albedo: Float[Tensor, "batch point 3"]
    roughness: Float[Tensor, "batch point"]
    metallic: Float[Tensor, "batch point"]
    clearance: Float[Tensor, "batch point"]
    """How far the point lies before the tangent plane of the surface that a view sees behind it, the most of
    all views that tell: positive where one of them looks through it, minus infinity where none tells. Model
    units, saturating."""


class NanoVoxelReconstructor(nn.Module):
    """See the module's docstring. The cameras are fixed when it is built (the six-view layout)."""

    def __init__(self, config: NanoVoxelConfig, cameras: Cameras) -> None:
        super().__init__()
        self.config = config
        self.cameras = cameras
        width, view = config.token_width, config.view_width
        self.stem = nn.Sequential(
            nn.Conv2d(12 * 4, 64, 3, padding=1),
            _ResidualBlock(64),
            _ResidualBlock(64),
        )
        self.to_features = nn.Conv2d(64, view, 1)
        self.to_tokens = nn.Sequential(
            nn.Conv2d(64, 96, 3, stride=2, padding=1), nn.SiLU(), nn.Conv2d(96, width, 3, stride=2, padding=1)
        )
        side = config.view_size // 8
        self.image_position = nn.Parameter(torch.randn(6, side * side, width) * 0.02)
        self.encoder = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(
                width,
                config.heads,
                3 * width,
                dropout=0.0,
                activation="gelu",
                batch_first=True,
                norm_first=True,
            ),
            config.encoder_layers,
            enable_nested_tensor=False,
        )
        self.voxel_position = nn.Parameter(torch.randn(config.voxel_tokens**3, width) * 0.02)
        self.voxel_input = nn.Linear(2 * view + 2, width)
        self.decoder = nn.TransformerDecoder(
            nn.TransformerDecoderLayer(
                width,
                config.heads,
                3 * width,
                dropout=0.0,
                activation="gelu",
                batch_first=True,
                norm_first=True,
            ),
            config.decoder_layers,
        )
        channels = config.volume_width
        self.to_volume = nn.ConvTranspose3d(width, channels, 2, stride=2)
        self.volume_input = nn.Conv3d(2 * view + 2, channels, 1)
        self.refine = nn.Sequential(
            nn.Conv3d(2 * channels, channels, 3, padding=1),
            nn.SiLU(),
            nn.Conv3d(channels, channels, 3, padding=1),
        )
        per_view = view + 8 + 2 + 3
        hidden = config.query_width
        self.view_query = nn.Sequential(nn.Linear(per_view, hidden), nn.SiLU(), nn.Linear(hidden, hidden + 1))
        self.query = nn.Sequential(
            nn.Linear(channels + 2 * hidden + 5, 128), nn.SiLU(), nn.Linear(128, 128), nn.SiLU()
        )
        self.sdf_head = nn.Linear(128, 1)
        self.material_head = nn.Linear(128, 5)
        nn.init.zeros_(self.sdf_head.weight)
        nn.init.zeros_(self.sdf_head.bias)
        nn.init.zeros_(self.material_head.weight)
        nn.init.zeros_(self.material_head.bias)

    def forward(
        self,
        rgba: Float[Tensor, "batch 6 4 h w"],
        normals: Float[Tensor, "batch 6 3 h w"],
        depth: Float[Tensor, "batch 6 h w"] | None,
    ) -> VoxelLatent:
        """Encode the views (sRGB straight alpha in [0, 1]; unit world normals; depth along the axis)."""
        batch, device = rgba.shape[0], rgba.device
        cameras = self.cameras.to(device)
        alpha = rgba[:, :, 3:]
        middle = cameras.positions.norm(dim=1)[None, :, None, None, None]
        if depth is None:
            nearness = torch.zeros_like(alpha)
            has_depth = torch.zeros(batch, device=device)
        else:
            # Premultiplied by coverage, as every map that is sampled between pixels must be.
            nearness = ((middle - depth[:, :, None]) * 2).clamp(-1, 1) * alpha
            # All-zero depth marks a sample without depth inside a batch that has it.
            has_depth = (depth.flatten(1).abs().amax(1) > 0).float()
            nearness = nearness * has_depth[:, None, None, None, None]
        pixels = torch.cat([rgba[:, :, :3], alpha, normals * alpha, nearness], dim=2)
        contours = contour_distance(alpha[:, :, 0])
        rays = rearrange(cameras.rays(rgba.shape[-1])[1], "v h w c -> 1 v c h w").expand(
            batch, -1, -1, -1, -1
        )
        flags = has_depth[:, None, None, None, None].expand_as(alpha)
        images = torch.cat([pixels[:, :, :3] * alpha, pixels[:, :, 3:], rays, flags], dim=2)
        folded = functional.pixel_unshuffle(rearrange(images, "b v c h w -> (b v) c h w"), 2)
        stem = self.stem(folded)
        features = rearrange(self.to_features(stem), "(b v) c h w -> b v c h w", b=batch)
        views = ViewMaps(features.float(), pixels, contours, has_depth)
        tokens = rearrange(self.to_tokens(stem), "(b v) c h w -> b v (h w) c", b=batch) + self.image_position
        image_tokens = self.encoder(rearrange(tokens, "b v n c -> b (v n) c"))
        coarse = self._volume_statistics(views, self.config.voxel_tokens)
        voxels = self.voxel_input(rearrange(coarse, "b c x y z -> b (x y z) c")) + self.voxel_position
        voxels = self.decoder(voxels, image_tokens)
        side = self.config.voxel_tokens
        lattice = rearrange(voxels, "b (x y z) c -> b c x y z", x=side, y=side)
        upsampled = self.to_volume(lattice)
        local = self.volume_input(self._volume_statistics(views, 2 * side))
        joined = torch.cat([upsampled, local], dim=1)
        return VoxelLatent((upsampled + self.refine(joined)).float(), views)

    def decode(self, latent: VoxelLatent, points: Float[Tensor, "batch point 3"]) -> FieldValues:
        """The field at points of the model frame."""
        # grid_sample's last axis is (w, h, d) = (z, y, x) of the volume.
        grid = rearrange(points.flip(-1) / HALF_EXTENT, "b n c -> b n 1 1 c")
        volume = functional.grid_sample(latent.volume, grid, padding_mode="border", align_corners=False)
        lookup = self._look_up(latent.views, points)
        directions = functional.normalize(
            self.cameras.to(points.device).positions[None, :, None] - points[:, None], dim=-1
        )
        per_view = self.view_query(
            torch.cat(
                [lookup.features, lookup.pixels, lookup.contour / 0.1, lookup.behind / 0.1, directions],
                dim=-1,
            )
        )
        hidden, logits = per_view[..., :-1], per_view[..., -1:]
        hull = lookup.hull()
        inputs = [
            rearrange(volume, "b c n 1 1 -> b n c"),
            hidden.mean(1),
            hidden.amax(1),
            hull[..., None] / 0.1,
            lookup.behind.amin(1) / 0.1,
            points * 2,
        ]
        state = self.query(torch.cat(inputs, dim=-1))
        material = self.material_head(state).float()
        sdf = hull + self.sdf_head(state)[..., 0].float() * 0.1
        weights = (logits.float() + torch.where(lookup.pixels[..., 3:4] > 0.3, 0.0, -4.0)).softmax(dim=1)
        seen = (weights * lookup.pixels[..., :3]).sum(1)
        return FieldValues(
            sdf=sdf,
            albedo=(seen + material[..., :3] * 0.3).clamp(0, 1),
            roughness=torch.sigmoid(material[..., 3]),
            metallic=torch.sigmoid(material[..., 4] - 2),
            clearance=lookup.clearance(directions),
        )

    def _volume_statistics(
        self, views: ViewMaps, side: int
    ) -> Float[Tensor, "batch statistic side side side"]:
        """Mean and deviation over the views of what the voxel centres project to, and the hull."""
        steps = (torch.arange(side, device=views.pixels.device) + 0.5) / side * 2 - 1
        x, y, z = torch.meshgrid(steps, steps, steps, indexing="ij")
        centres = torch.stack([x, y, z], dim=-1).reshape(1, -1, 3) * HALF_EXTENT
        lookup = self._look_up(views, centres.expand(views.pixels.shape[0], -1, -1))
        mean = lookup.features.mean(1)
        deviation = (lookup.features - mean[:, None]).square().mean(1)
        statistics = torch.cat(
            [mean, deviation, lookup.hull()[..., None] / 0.1, lookup.behind.amin(1) / 0.1], dim=-1
        )
        return rearrange(statistics, "b (x y z) c -> b c x y z", x=side, y=side)

    def _look_up(self, views: ViewMaps, points: Float[Tensor, "batch point 3"]) -> _Lookup:
        batch = points.shape[0]
        cameras = self.cameras.to(points.device)
        ndc, depth = cameras.project(points.reshape(-1, 3))
        ndc = rearrange(ndc, "v (b n) c -> (b v) 1 n c", b=batch) * ndc.new_tensor([1.0, -1.0])
        depth = rearrange(depth, "v (b n) -> b v n 1", b=batch)

        def sample(maps: Float[Tensor, "batch 6 c h w"]) -> Float[Tensor, "batch 6 point c"]:
            flat = rearrange(maps, "b v c h w -> (b v) c h w")
            values = functional.grid_sample(flat, ndc, padding_mode="border", align_corners=False)
            return rearrange(values, "(b v) c 1 n -> b v n c", b=batch)

        features, pixels, contour = sample(views.features), sample(views.pixels), sample(views.contours)
        # Beyond the border the contour is at least as far away as the border itself.
        overshoot = (ndc.abs() - 1).clamp_min(0).amax(-1)
        contour = contour + rearrange(overshoot, "(b v) 1 n -> b v n 1", b=batch)
        contour = contour * depth / cameras.focal[None, :, None, None]
        middle = cameras.positions.norm(dim=1)[None, :, None, None]
        surface = middle - pixels[..., 7:8] / pixels[..., 3:4].clamp_min(0.3) / 2
        behind = (surface - depth).clamp(-_TRUNCATION, _TRUNCATION)
        known = views.has_depth[:, None, None, None] * (pixels[..., 3:4] > 0.3)
        return _Lookup(features, pixels, contour.clamp(-_TRUNCATION, 2 * _TRUNCATION), -behind * known)


@dataclass(frozen=True)
class _Lookup:
    """The views' maps at the projections of query points."""

    features: Float[Tensor, "batch 6 point feature"]
    pixels: Float[Tensor, "batch 6 point 8"]
    contour: Float[Tensor, "batch 6 point 1"]
    """Distance to the silhouette's cone in model units, negative inside."""
    behind: Float[Tensor, "batch 6 point 1"]
    """How far the point lies behind the seen surface, truncated; zero where depth is unknown."""

    def hull(self) -> Float[Tensor, "batch point"]:
        """Signed distance to the visual hull (a lower bound outside of it)."""
        return self.contour[..., 0].amax(dim=1)

    def clearance(self, directions: Float[Tensor, "batch 6 point 3"]) -> Float[Tensor, "batch point"]:
        """See `FieldValues`. Pixels of an outline mix depths, and tell nothing.

        Args:
            directions: unit vectors from the points towards the cameras.
        """
        normals = functional.normalize(self.pixels[..., 4:7], dim=-1)
        facing = (normals * directions).sum(-1).clamp(0, 1)
        tells = (self.behind[..., 0] != 0) & (self.pixels[..., 3] > _COVERED)
        return torch.where(tells, -self.behind[..., 0] * facing, -torch.inf).amax(dim=1)


class _ResidualBlock(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.GroupNorm(8, channels),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
        )

    def forward(self, x: Float[Tensor, "batch c h w"]) -> Float[Tensor, "batch c h w"]:
        return x + self.body(x)
