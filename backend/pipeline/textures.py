"""Stage 6: UVs, and the maps baked from the field, the generated views and the reference image.

Base colour is painted in layers, each trusted where it sees the surface well and feathered elsewhere: the
field's albedo everywhere, over it the six views, over them the reference image at its own resolution. What
lies below is first shifted by a low-frequency offset to agree with the layer above, so that no seam shows
where that layer ends. The field knows every point, so no texel is left to guess.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Float32

from backend.geometry.cameras import Cameras
from backend.geometry.colour_harmony import low_frequency_offset
from backend.geometry.field_queries import QUERY_BATCH, batched_sdf, gradient_normals
from backend.geometry.projection import Feather, Projection, project_image
from backend.geometry.ray_scene import RayScene
from backend.geometry.register_reference import register_reference
from backend.geometry.tangent_space import encode_normals, to_tangent_space
from backend.geometry.texels import Texels, rasterise_texels
from backend.geometry.uv_atlas import UvMesh, unwrap
from backend.geometry.vertex_frames import unit, vertex_tangents
from backend.pipeline.stage_data import Field, Foreground, Maps, Mesh, Progress, TexturedMesh, Views

FIELD_MAP_SIZE = 256
"""Largest map sampled from the field itself: about a sample for each cell of the isosurface's grid."""
NORMAL_STEP = 1 / 64
"""Step of the field's gradient, in half extents: a cell of the isosurface's grid, so that rounding in a
network of reduced precision does not show."""
LEAST_AGREEMENT = 0.7
"""Least cosine between the field's normal and the mesh's for the former to be believed."""
FIELD_WEIGHT = 0.02
"""The field's say beside a generated view that sees the point squarely (1)."""
VIEW_SHARPNESS = 3
"""Power of a view's weight: high values let the best view alone decide, and ghosts vanish."""
VIEW_FEATHER = Feather(cosine=(0.1, 1.0), edge=(0.005, 0.05))
REFERENCE_FEATHER = Feather(cosine=(0.15, 0.5), edge=(0.004, 0.025))


def bake_textures(
    mesh: Mesh, field: Field, views: Views, foreground: Foreground, size: int, progress: Progress
) -> TexturedMesh:
    """The mesh with UVs, tangents and four maps of `size` texels a side."""
    atlas = unwrap(mesh.vertices, mesh.faces, mesh.normals, size)
    progress.advance("textures", 0.2)
    vertices, normals = mesh.vertices[atlas.source_vertex], mesh.normals[atlas.source_vertex]
    tangents = vertex_tangents(vertices, atlas.faces, normals, atlas.uvs)
    field_maps = _sample_field(mesh, field, atlas, min(size, FIELD_MAP_SIZE), progress).resized(size)

    texels = rasterise_texels(atlas.uvs, atlas.faces, size)
    points = texels.hits.interpolate(atlas.faces, vertices)
    texel_normals = texels.hits.interpolate(atlas.faces, normals)
    local_normals = to_tangent_space(
        unit(field_maps.normal.reshape(-1, 3)[texels.index]),
        texel_normals,
        texels.hits.interpolate(atlas.faces, tangents),
    )
    progress.advance("textures", 0.6)

    alpha = np.ascontiguousarray(foreground.image[..., 3])
    camera = register_reference(mesh.vertices, mesh.faces, alpha, views.elevation_degrees)
    progress.advance("textures", 0.75)
    scene, unit_normals = RayScene(mesh.vertices, mesh.faces), unit(texel_normals)
    layers = (
        _blend_views(views, mesh, scene, points, unit_normals),
        project_image(foreground.image, camera, scene, points, unit_normals, REFERENCE_FEATHER),
    )
    progress.advance("textures", 0.9)
    colour = field_maps.albedo.reshape(-1, 3)[texels.index]
    for layer in layers:
        colour = _lay_over(colour, layer, points, mesh, texels)
    progress.advance("textures", 1.0)
    return TexturedMesh(
        vertices=vertices,
        faces=atlas.faces,
        normals=normals,
        tangents=tangents,
        uvs=atlas.uvs,
        maps=Maps(
            base_color=_to_bytes(texels.paint(colour)),
            roughness=_to_bytes(field_maps.roughness),
            metallic=_to_bytes(field_maps.metallic),
            normal=encode_normals(texels.paint(local_normals)),
        ),
        reference_camera=camera,
    )


@dataclass(frozen=True)
class _FieldMaps:
    """The field over the atlas; nothing is missing outside the islands."""

    albedo: Float32[np.ndarray, "size size 3"]
    roughness: Float32[np.ndarray, "size size"]
    metallic: Float32[np.ndarray, "size size"]
    normal: Float32[np.ndarray, "size size 3"]
    """Outward, in the mesh's frame."""

    def resized(self, size: int) -> _FieldMaps:
        maps = (self.albedo, self.roughness, self.metallic, self.normal)
        return _FieldMaps(*(cv2.resize(m, (size, size), interpolation=cv2.INTER_LINEAR) for m in maps))


def _sample_field(mesh: Mesh, field: Field, atlas: UvMesh, size: int, progress: Progress) -> _FieldMaps:
    texels = rasterise_texels(atlas.uvs, atlas.faces, size)
    points = texels.hits.interpolate(atlas.faces, mesh.vertices[atlas.source_vertex])
    points = (points * mesh.model_scale + mesh.model_offset).astype(np.float32)
    gradient = gradient_normals(batched_sdf(field), points, NORMAL_STEP * field.half_extent)
    # Where the field is flat or turns far from the smoothed mesh, its gradient is noise.
    smooth = unit(texels.hits.interpolate(atlas.faces, mesh.normals[atlas.source_vertex]))
    noise = np.einsum("pi,pi->p", gradient, smooth) < LEAST_AGREEMENT
    gradient[noise] = smooth[noise]
    progress.advance("textures", 0.4)
    albedo = np.empty((len(points), 3), np.float32)
    material = np.empty((len(points), 2), np.float32)
    with torch.inference_mode():
        for start in range(0, len(points), QUERY_BATCH):
            batch = slice(start, start + QUERY_BATCH)
            samples = field.sample(torch.from_numpy(points[batch]))
            albedo[batch] = samples.albedo.cpu().numpy()
            material[batch, 0] = samples.roughness.cpu().numpy()
            material[batch, 1] = samples.metallic.cpu().numpy()
            progress.advance("textures", 0.4 + 0.15 * start / len(points))
    return _FieldMaps(
        texels.paint(albedo),
        texels.paint(material[:, 0]),
        texels.paint(material[:, 1]),
        texels.paint(gradient),
    )


def _blend_views(
    views: Views,
    mesh: Mesh,
    scene: RayScene,
    points: Float32[np.ndarray, "texel 3"],
    normals: Float32[np.ndarray, "texel 3"],
) -> Projection:
    """What the six views see, those that see a point best deciding."""
    cameras = _in_mesh_frame(views.cameras.to("cpu"), mesh)
    images = views.rgba.detach().float().cpu().permute(0, 2, 3, 1).contiguous().numpy()
    total = np.zeros((len(points), 3), np.float32)
    weights = np.zeros(len(points), np.float32)
    for index, image in enumerate(images):
        seen = project_image(image, cameras[[index]], scene, points, normals, VIEW_FEATHER)
        weight = seen.weight**VIEW_SHARPNESS
        total += seen.colour * weight[:, None]
        weights += weight
    return Projection(total / np.maximum(weights, 1e-9)[:, None], weights / (weights + FIELD_WEIGHT))


def _in_mesh_frame(cameras: Cameras, mesh: Mesh) -> Cameras:
    """The same pictures of the object moved and scaled from the model frame."""
    poses = cameras.camera_to_world.clone()
    poses[:, :3, 3] = (poses[:, :3, 3] - torch.from_numpy(mesh.model_offset)) / mesh.model_scale
    return Cameras(poses, cameras.focal, cameras.centre)


def _lay_over(
    below: Float32[np.ndarray, "texel 3"],
    layer: Projection,
    points: Float32[np.ndarray, "texel 3"],
    mesh: Mesh,
    texels: Texels,
) -> Float32[np.ndarray, "texel 3"]:
    """The layer over what lies below, this first shifted to agree with the layer."""
    seen = np.flatnonzero(layer.weight > 0.5)
    offset = low_frequency_offset(
        mesh.vertices, points[seen], layer.colour[seen] - below[seen], layer.weight[seen]
    )
    shifted = below + texels.hits.interpolate(mesh.faces, offset)
    return shifted + (layer.colour - shifted) * layer.weight[:, None]


def _to_bytes(values: Float32[np.ndarray, "*shape"]) -> np.ndarray:
    return np.round(np.clip(values, 0, 1) * 255).astype(np.uint8)
