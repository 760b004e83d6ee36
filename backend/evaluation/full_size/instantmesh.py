"""InstantMesh-large from six views to a textured GLB, stage by stage, with seeded random weights.

Random weights give no object, so, as when the original was measured, a blob of as many faces stands in from
surface extraction on; every field query runs the real networks.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from backend.evaluation.full_size.meter import Original, StageMeter
from backend.evaluation.full_size.texturing import ReconstructionBench, colours_at, texture
from backend.geometry.cameras import six_view_cameras
from backend.models.reconstructor.instantmesh import InstantMesh, InstantMeshConfig
from backend.models.reconstructor.instantmesh_field import CAMERA_DISTANCE, InstantMeshField, camera_vectors
from backend.models.reconstructor.instantmesh_surface import grid_ticks, mesh_of_grid, sdf_grid

TEXTURE_SIZE = 1024
ORIGINAL = Original(
    seconds={
        "encode": 4.2,
        "transformer": 34.2,
        "field query": 61.3,
        "surface extraction": 1.3,
        "vertex colours": 0.04,
        "UV unwrap": 21.7,
        "UV raster": 0.3,
        "texel colours": 2.5,
        "textured export": 0.9,
    },
    without={"FlexiCubes grid set-up": 79.4},
    peak_gib=21.1,
)
"""Quietest of two or three runs; the blob had 79 thousand faces."""


@torch.inference_mode()
def run_instantmesh(
    config: InstantMeshConfig,
    meter: StageMeter,
    device: torch.device,
    precision: torch.dtype,
    texture_size: int,
) -> ReconstructionBench:
    """Measure every stage; `precision` is the encoder's and the transformer's, the field is float32."""
    with meter("random weights"):
        model = random_model(config, device, precision)
    images, cameras = six_views(config, device, precision)
    with meter("encode"):
        tokens = model.encoder(images, cameras)
    with meter("transformer"):
        planes = model.transformer(tokens)[0].float()
    with meter("field query"):
        sdf_grid(model, planes)
    with meter("surface extraction"):
        raw_vertices, raw_faces = mesh_of_grid(model, planes, blob(config).to(device))
        vertices, faces = raw_vertices.cpu().numpy(), raw_faces.int().cpu().numpy()
    field = InstantMeshField(model, planes)
    with meter("vertex colours"):
        colours_at(vertices, field.albedo, device)
    glb = texture(vertices, faces, field.albedo, meter, device, texture_size)
    return ReconstructionBench(planes, len(faces), glb)


def random_model(config: InstantMeshConfig, device: torch.device, precision: torch.dtype) -> InstantMesh:
    """Weights from seed 0, equal for every precision; the decoder stays in float32."""
    torch.manual_seed(0)
    model = InstantMesh(config).eval()
    for network in (model.encoder, model.transformer):
        network.to(precision)
    return model.to(device)


def six_views(
    config: InstantMeshConfig, device: torch.device, precision: torch.dtype
) -> tuple[Float[Tensor, "1 6 3 size size"], Float[Tensor, "1 6 16"]]:
    """Noise, and the cameras that go with the six views."""
    draw = torch.Generator().manual_seed(1)
    images = torch.rand(1, 6, 3, config.image_size, config.image_size, generator=draw)
    cameras = camera_vectors(six_view_cameras(CAMERA_DISTANCE))[None]
    return images.to(device, precision), cameras.to(device, precision)


@torch.inference_mode()
def random_planes(
    config: InstantMeshConfig, device: torch.device, precision: torch.dtype
) -> Float[Tensor, "3 channel size size"]:
    """The same planes as the bench's, in another precision."""
    return random_model(config, device, precision).planes(*six_views(config, device, precision))[0].float()


def blob(config: InstantMeshConfig) -> Float[Tensor, "tick tick tick"]:
    """Distances of a wavy ball that gives 79 thousand faces on the public grid."""
    ticks = grid_ticks(config.grid_cells, config.grid_size)
    x, y, z = torch.meshgrid(ticks, ticks, ticks, indexing="ij")
    radius = 0.74 + 0.06 * torch.sin(5 * x) * torch.sin(4 * y) + 0.05 * torch.cos(6 * z)
    return (x**2 + y**2 + z**2).sqrt() - radius
