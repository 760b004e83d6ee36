"""TripoSR from an image to a textured GLB, stage by stage, with seeded random weights.

Random weights give no object, so, as when the original was measured, a blob of as many faces stands in from
surface extraction on; every field query runs the real networks.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from backend.evaluation.full_size.meter import Original, StageMeter
from backend.evaluation.full_size.texturing import ReconstructionBench, colours_at, texture
from backend.geometry.density_surface import TORCHMCUBES_AXES, density_surface
from backend.geometry.mesh_cleaning import decimate
from backend.models.layers.pixels import normalise
from backend.models.reconstructor.radiance_field import RadianceField
from backend.models.reconstructor.triposr import TripoSR, TripoSRConfig
from backend.models.reconstructor.triposr_field import GRID, THRESHOLD, TripoSRReconstructor

TEXTURE_SIZE = 2048
BLOB_RADIUS = 0.7085
"""Mean radius of the blob, half sides of the grid's cube."""
ORIGINAL = Original(
    seconds={
        "encode": 1.5,
        "transformer": 18.6,
        "field query": 24.1,
        "surface extraction": 0.6,
        "vertex colours": 0.2,
        "UV unwrap": 89.2,
        "UV raster": 1.1,
        "texel colours": 4.5,
        "textured export": 2.7,
    },
    without={},
    peak_gib=6.8,
)
"""Quietest of two or three runs; the blob had 317 thousand faces."""


@torch.inference_mode()
def run_triposr(
    config: TripoSRConfig,
    meter: StageMeter,
    device: torch.device,
    precision: torch.dtype,
    texture_size: int,
    grid: int = GRID,
    face_limit: int | None = None,
) -> ReconstructionBench:
    """Measure every stage; `precision` is the encoder's and the transformer's, the field is float32.

    With a `face_limit` the surface is decimated before it is unwrapped, as the pipeline does.
    """
    with meter("random weights"):
        model = random_model(config, device, precision)
    reconstructor = TripoSRReconstructor(model, grid)
    reference = np.random.default_rng(1).integers(0, 256, (512, 512, 4), dtype=np.uint8)
    with meter("encode"):
        image = reconstructor.input_image(reference)[None].to(device, precision)
        context = model.encoder(normalise(image))
    with meter("transformer"):
        planes = model.triplane(context)[0]
    field = RadianceField(model, planes, reconstructor.surface)
    with meter("field query"):
        field.density_grid(lambda fraction: None)
    with meter("surface extraction"):
        vertices, faces = density_surface(blob(grid), THRESHOLD, config.radius, TORCHMCUBES_AXES)
    with meter("vertex colours"):
        colours_at(vertices, field.albedo, device)
    if face_limit is not None:
        with meter("decimation"):
            vertices, faces = decimate(vertices, faces, face_limit)
    glb = texture(vertices, faces, field.albedo, meter, device, texture_size)
    return ReconstructionBench(planes, len(faces), glb)


def random_model(config: TripoSRConfig, device: torch.device, precision: torch.dtype) -> TripoSR:
    """Weights from seed 0, equal for every precision; the decoder stays in float32."""
    torch.manual_seed(0)
    model = TripoSR(config).eval().to(precision)
    model.decoder.float()
    return model.to(device)


@torch.inference_mode()
def random_planes(
    config: TripoSRConfig, device: torch.device, precision: torch.dtype
) -> Float[Tensor, "3 channel size size"]:
    """The same planes as the bench's, in another precision."""
    model = random_model(config, device, precision)
    reference = np.random.default_rng(1).integers(0, 256, (512, 512, 4), dtype=np.uint8)
    image = TripoSRReconstructor(model).input_image(reference)[None]
    return model.planes(image.to(device, precision))[0].float()


def blob(grid: int) -> Float32[np.ndarray, "grid grid grid"]:
    """Density of a wavy ball that gives 317 thousand faces on the public grid."""
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, grid, dtype=np.float32)] * 3, indexing="ij")
    radius = BLOB_RADIUS + 0.06 * np.sin(5 * x) * np.sin(4 * y) + 0.05 * np.cos(6 * z)
    distance = np.sqrt(x**2 + y**2 + z**2) - radius
    return (THRESHOLD * np.exp(-8 * distance)).astype(np.float32)
