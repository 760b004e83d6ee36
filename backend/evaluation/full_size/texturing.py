"""From a raw surface to a textured GLB, stage by stage: what the benches of the reconstructors share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32, Int32
from torch import Tensor

from backend.evaluation.full_size.meter import StageMeter
from backend.geometry.cameras import six_view_cameras
from backend.geometry.tangent_space import encode_normals
from backend.geometry.texels import rasterise_texels
from backend.geometry.uv_atlas import unwrap
from backend.geometry.vertex_frames import vertex_normals, vertex_tangents
from backend.pipeline.export import export_glb
from backend.pipeline.stage_data import Maps, TexturedMesh

POINTS_AT_ONCE = 1 << 16
Colour = Callable[[Float[Tensor, "point 3"]], Float[Tensor, "point 3"]]


@dataclass(frozen=True)
class ReconstructionBench:
    """What a reconstructor's bench made on the way, for whoever wants to check it."""

    planes: Float[Tensor, "3 channel size size"]
    faces: int
    glb: bytes


@torch.inference_mode()
def texture(
    vertices: Float32[np.ndarray, "vertex 3"],
    faces: Int32[np.ndarray, "face 3"],
    colour: Colour,
    meter: StageMeter,
    device: torch.device,
    size: int,
) -> bytes:
    """UVs, a base colour map of `size` texels a side asked of `colour`, and the GLB."""
    with meter("normals and tangents"):
        normals = vertex_normals(vertices, faces)
    with meter("UV unwrap"):
        atlas = unwrap(vertices, faces, normals, size)
    with meter("UV raster"):
        texels = rasterise_texels(atlas.uvs, atlas.faces, size)
        points = texels.hits.interpolate(atlas.faces, vertices[atlas.source_vertex])
    with meter("texel colours"):
        base_color = texels.paint((colours_at(points, colour, device) * 255).astype(np.uint8))
    with meter("textured export"):
        plain = np.zeros((size, size, 3), np.float32)
        plain[..., 2] = 1
        split, split_normals = vertices[atlas.source_vertex], normals[atlas.source_vertex]
        textured = TexturedMesh(
            split,
            atlas.faces,
            split_normals,
            vertex_tangents(split, atlas.faces, split_normals, atlas.uvs),
            atlas.uvs,
            Maps(
                base_color,
                np.full((size, size), 153, np.uint8),
                np.zeros((size, size), np.uint8),
                encode_normals(plain),
            ),
            six_view_cameras(1.0)[[0]],
        )
        return export_glb(textured, name="blob", height_metres=1.0)


@torch.inference_mode()
def colours_at(
    points: Float32[np.ndarray, "point 3"], colour: Colour, device: torch.device
) -> Float32[np.ndarray, "point 3"]:
    """In batches, on the device."""
    batches = torch.from_numpy(points).split(POINTS_AT_ONCE)
    return torch.cat([colour(batch.to(device)).cpu() for batch in batches]).numpy()
