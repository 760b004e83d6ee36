"""InstantMesh: six views and their cameras to a triplane, decoded to SDF, colour and FlexiCubes parameters.

Source: InstantMesh (arXiv 2404.07191) and the public `instant-mesh` and `instant-nerf` configurations.
Model frame: z up, the reference camera on +x, azimuth counter-clockwise seen from above, planes over
[-1, 1]^3.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from backend.models.layers.mlp import mlp
from backend.models.layers.pixels import normalise
from backend.models.layers.radiance import RadianceDecoder, activate_rgb
from backend.models.layers.triplane import LRM_AXES, decode_points, sample_triplane
from backend.models.layers.triplane_transformer import TriplaneTransformer, TriplaneTransformerConfig
from backend.models.layers.vision_transformer import VisionTransformer, VisionTransformerConfig


@dataclass(frozen=True)
class InstantMeshConfig:
    """One InstantMesh; the defaults are `instant-mesh-large`."""

    encoder: VisionTransformerConfig = field(
        default_factory=lambda: VisionTransformerConfig(modulation_width=768)
    )
    transformer: TriplaneTransformerConfig = field(default_factory=TriplaneTransformerConfig)
    image_size: int = 320
    """Side of the views, pixels."""
    camera_width: int = 16
    """Length of a camera vector."""
    hidden: int = 64
    """Width of the decoders."""
    grid_cells: int = 128
    """FlexiCubes cells along each axis."""
    grid_size: float = 2.1
    """Side of the FlexiCubes grid; its outermost cells lie beyond the planes."""


class CameraModulatedEncoder(nn.Module):
    """DINO whose layer norms are modulated by each view's camera."""

    def __init__(self, config: VisionTransformerConfig, camera_width: int) -> None:
        super().__init__()
        self.transformer = VisionTransformer(config)
        self.camera_embedding = nn.Sequential(
            nn.Linear(camera_width, config.width), nn.SiLU(), nn.Linear(config.width, config.width)
        )

    def forward(
        self,
        images: Float[Tensor, "batch view 3 height width"],
        cameras: Float[Tensor, "batch view camera"],
    ) -> Float[Tensor, "batch view*token width"]:
        """Images in [0, 1]; tokens are ordered view by view."""
        modulation = self.camera_embedding(rearrange(cameras, "b v c -> (b v) c"))
        tokens = self.transformer(normalise(rearrange(images, "b v c h w -> (b v) c h w")), modulation)
        return rearrange(tokens, "(b v) n c -> b (v n) c", b=len(images))


class MeshDecoder(nn.Module):
    """Heads over triplane features: SDF, colour, grid deformation and FlexiCubes weights."""

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__()
        self.sdf = mlp(features, hidden, 1, 4, nn.ReLU)
        self.rgb = mlp(features, hidden, 3, 4, nn.ReLU)
        self.deformation = mlp(features, hidden, 3, 4, nn.ReLU)
        self.weight = mlp(8 * features, hidden, 21, 4, nn.ReLU)

    def cell_weights(self, corners: Float[Tensor, "cell 8 feature"]) -> Float[Tensor, "cell 21"]:
        """12 edge, 8 corner and 1 split weights of each cell, before FlexiCubes' activations."""
        return self.weight(rearrange(corners, "n k c -> n (k c)")) * 0.1


class _TriplaneReconstructor(nn.Module):
    """What the mesh and the radiance variant share: views to planes."""

    def __init__(self, config: InstantMeshConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = CameraModulatedEncoder(config.encoder, config.camera_width)
        self.transformer = TriplaneTransformer(config.transformer)

    def planes(
        self,
        images: Float[Tensor, "batch view 3 height width"],
        cameras: Float[Tensor, "batch view camera"],
    ) -> Float[Tensor, "batch 3 channel size size"]:
        """Views on white in [0, 1], with `camera_vectors`, to feature planes."""
        return self.transformer(self.encoder(images, cameras))

    @property
    def feature_width(self) -> int:
        return 3 * self.config.transformer.plane_channels


class InstantMesh(_TriplaneReconstructor):
    """Six views to a signed distance field with colour (negative inside)."""

    def __init__(self, config: InstantMeshConfig) -> None:
        super().__init__(config)
        self.decoder = MeshDecoder(self.feature_width, config.hidden)

    def sdf(
        self, planes: Float[Tensor, "3 channel size size"], points: Float[Tensor, "point 3"]
    ) -> Float[Tensor, " point"]:
        return decode_points(planes, self.decoder.sdf, points, LRM_AXES)[:, 0]

    def rgb(
        self, planes: Float[Tensor, "3 channel size size"], points: Float[Tensor, "point 3"]
    ) -> Float[Tensor, "point 3"]:
        """sRGB in [-0.001, 1.001]: the sigmoid is widened so that it reaches black and white."""
        return activate_rgb(decode_points(planes, self.decoder.rgb, points, LRM_AXES))

    def features(
        self, planes: Float[Tensor, "3 channel size size"], points: Float[Tensor, "*shape 3"]
    ) -> Float[Tensor, "*shape feature"]:
        flat = sample_triplane(planes[None], points.reshape(1, -1, 3), LRM_AXES)[0]
        return flat.reshape(*points.shape[:-1], -1)


class InstantNeRF(_TriplaneReconstructor):
    """Six views to a radiance field."""

    def __init__(self, config: InstantMeshConfig) -> None:
        super().__init__(config)
        self.decoder = RadianceDecoder(self.feature_width, config.hidden)


def resize_views(images: Float[Tensor, "view 3 _ _"], size: int) -> Float[Tensor, "view 3 size size"]:
    """Bicubic with antialiasing, clamped to [0, 1]: what the model was trained on."""
    resized = functional.interpolate(images, size=(size, size), mode="bicubic", antialias=True)
    return resized.clamp(0, 1)
