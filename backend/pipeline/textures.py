"""Stage 6: UVs, and the maps baked from the field, the generated views (if any) and the reference image.

Base colour is painted in layers, each trusted where it sees the surface well and feathered elsewhere: the
field's albedo everywhere, over it the six views, over them the reference image at its own resolution. What
lies below is first shifted by a low-frequency offset to agree with the layer above, so that no seam shows
where that layer ends. The field knows every point, so no texel is left to guess. Roughness and metallic are
the field's too, or as pipeline.materials says.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
import torch
from jaxtyping import Float32

from backend.geometry.cameras import Cameras, moved_cameras
from backend.geometry.colour_harmony import low_frequency_offset
from backend.geometry.field_queries import QUERY_BATCH, batched_sdf, gradient_normals
from backend.geometry.nearest_surface import interpolate_nearest
from backend.geometry.projection import Feather, Projection, project_image
from backend.geometry.ray_scene import RayScene
from backend.geometry.tangent_space import encode_normals, to_tangent_space
from backend.geometry.texels import Texels, rasterise_texels
from backend.geometry.uv_atlas import UvMesh, unwrap
from backend.geometry.vertex_frames import unit, vertex_normals, vertex_tangents
from backend.pipeline.materials import DEFAULTS, FROM_FIELD, spread_over_surface
from backend.pipeline.sharpening import NormalGuide
from backend.pipeline.stage_data import (
    Field,
    Foreground,
    Maps,
    MaterialImages,
    MaterialSource,
    Mesh,
    Progress,
    TexturedMesh,
    Views,
)
from backend.pipeline.view_projection import blend_views

FIELD_MAP_SIZE = 256
"""Largest map sampled from the field itself: about a sample for each cell of the isosurface's grid."""
NORMAL_STEP = 1 / 64
"""Step of the field's gradient, in half extents: a cell of the isosurface's grid, so that rounding in a
network of reduced precision does not show."""
LEAST_AGREEMENT = 0.7
"""Least cosine between the finer normal and the mesh's for the former to be believed."""
REFERENCE_FEATHER = Feather(cosine=(0.1, 0.25), edge=(0.0, 0.005))


def bake_textures(
    mesh: Mesh,
    field: Field,
    views: Views,
    foreground: Foreground,
    size: int,
    camera: Cameras,
    progress: Progress,
    materials: MaterialImages | None = None,
    guide: NormalGuide | None = None,
) -> TexturedMesh:
    """The mesh with UVs, tangents and four maps of `size` texels a side.

    `camera` is the one that took the foreground crop, in the mesh's frame. The field and the views are asked
    where they have the surface, which may lie elsewhere (`Mesh.field_vertices`).
    `materials`, seen in the views or, where there are none, in the foreground, go before the field's, and so
    do the `guide`'s normals.
    """
    atlas = unwrap(mesh.vertices, mesh.faces, mesh.normals, size)
    progress.advance("textures", 0.2)
    vertices, normals = mesh.vertices[atlas.source_vertex], mesh.normals[atlas.source_vertex]
    tangents = vertex_tangents(vertices, atlas.faces, normals, atlas.uvs)
    there = _FieldSurface.of(mesh, atlas)
    field_maps = _sample_field(there, mesh, field, atlas, min(size, FIELD_MAP_SIZE), progress).resized(size)

    texels = rasterise_texels(atlas.uvs, atlas.faces, size)
    field_points, field_normals, field_tangents = (
        texels.hits.interpolate(atlas.faces, values)
        for values in (there.vertices, there.normals, there.tangents)
    )
    unit_normals = unit(field_normals)
    scene = RayScene(mesh.field_vertices, mesh.faces)
    seen_by = moved_cameras(views.cameras.to("cpu"), mesh.model_scale, mesh.model_offset)
    world_normals = unit(field_maps.normal.reshape(-1, 3)[texels.index])
    if guide is not None:
        world_normals = guide.normals_at(seen_by, scene, field_points, unit_normals, world_normals)
    # Detail is relative to the surface, so it goes along with the surface.
    local_normals = to_tangent_space(world_normals, field_normals, field_tangents)
    progress.advance("textures", 0.7)

    points = texels.hits.interpolate(atlas.faces, vertices)
    from_reference = partial(
        project_image,
        camera=camera,
        scene=RayScene(mesh.vertices, mesh.faces),
        points=points,
        normals=unit(texels.hits.interpolate(atlas.faces, normals)),
        feather=REFERENCE_FEATHER,
    )
    pictures = views.rgba.detach().float().cpu().permute(0, 2, 3, 1).contiguous().numpy()
    layers = (
        blend_views(pictures, seen_by, scene, field_points, unit_normals),
        from_reference(foreground.image),
    )
    progress.advance("textures", 0.9)
    colour = field_maps.albedo.reshape(-1, 3)[texels.index]
    for layer in layers:
        colour = _lay_over(colour, layer, points, mesh, texels)
    material, source = _without_model(field_maps)
    if materials is not None:
        seen = (
            blend_views(materials.images, seen_by, scene, field_points, unit_normals)
            if len(pictures)
            else from_reference(materials.images[0])
        )
        values, source = spread_over_surface(seen, materials.model)
        material = texels.paint(values)
    progress.advance("textures", 1.0)
    return TexturedMesh(
        vertices=vertices,
        faces=atlas.faces,
        normals=normals,
        tangents=tangents,
        uvs=atlas.uvs,
        maps=Maps(
            base_color=_to_bytes(texels.paint(colour)),
            roughness=_to_bytes(material[..., 0]),
            metallic=_to_bytes(material[..., 1]),
            normal=encode_normals(texels.paint(local_normals)),
        ),
        reference_camera=camera,
        materials=source,
    )


@dataclass(frozen=True)
class _FieldSurface:
    """The vertices of an atlas where the field has them, in the mesh's frame."""

    vertices: Float32[np.ndarray, "vertex 3"]
    normals: Float32[np.ndarray, "vertex 3"]
    tangents: Float32[np.ndarray, "vertex 4"]

    @classmethod
    def of(cls, mesh: Mesh, atlas: UvMesh) -> _FieldSurface:
        vertices = mesh.field_vertices[atlas.source_vertex]
        normals = vertex_normals(mesh.field_vertices, mesh.faces)[atlas.source_vertex]
        return cls(vertices, normals, vertex_tangents(vertices, atlas.faces, normals, atlas.uvs))


@dataclass(frozen=True)
class _FieldMaps:
    """The field over the atlas; nothing is missing outside the islands."""

    albedo: Float32[np.ndarray, "size size 3"]
    normal: Float32[np.ndarray, "size size 3"]
    """Outward, in the mesh's frame."""
    material: Float32[np.ndarray, "size size 2"] | None
    """Roughness and metallic; None from a field that knows neither."""

    def resized(self, size: int) -> _FieldMaps:
        def resize(values: np.ndarray) -> np.ndarray:
            return cv2.resize(values, (size, size), interpolation=cv2.INTER_LINEAR)

        material = None if self.material is None else resize(self.material)
        return _FieldMaps(resize(self.albedo), resize(self.normal), material)


def _sample_field(
    there: _FieldSurface, mesh: Mesh, field: Field, atlas: UvMesh, size: int, progress: Progress
) -> _FieldMaps:
    texels = rasterise_texels(atlas.uvs, atlas.faces, size)
    points = texels.hits.interpolate(atlas.faces, there.vertices)
    points = (points * mesh.model_scale + mesh.model_offset).astype(np.float32)
    if mesh.detail is None:
        fine = gradient_normals(batched_sdf(field), points, NORMAL_STEP * field.half_extent)
    else:
        detail = mesh.detail
        fine = unit(interpolate_nearest(points, detail.vertices, detail.faces, detail.normals))
    # Where the field is flat or turns far from the smoothed mesh, its gradient is noise; and what lies
    # nearest to a thin part may be its other side.
    smooth = unit(texels.hits.interpolate(atlas.faces, there.normals))
    wrong = np.einsum("pi,pi->p", fine, smooth) < LEAST_AGREEMENT
    fine[wrong] = smooth[wrong]
    progress.advance("textures", 0.4)
    albedo = np.empty((len(points), 3), np.float32)
    material: Float32[np.ndarray, "point 2"] | None = np.empty((len(points), 2), np.float32)
    with torch.inference_mode():
        for start in range(0, len(points), QUERY_BATCH):
            batch = slice(start, start + QUERY_BATCH)
            samples = field.sample(torch.from_numpy(points[batch]))
            albedo[batch] = samples.albedo.cpu().numpy()
            if samples.roughness is None or samples.metallic is None:
                material = None
            elif material is not None:
                material[batch] = torch.stack([samples.roughness, samples.metallic], dim=1).cpu().numpy()
            progress.advance("textures", 0.4 + 0.15 * start / len(points))
    return _FieldMaps(
        texels.paint(albedo), texels.paint(fine), None if material is None else texels.paint(material)
    )


def _without_model(
    field_maps: _FieldMaps,
) -> tuple[Float32[np.ndarray, "size size 2"], MaterialSource]:
    """The field's roughness and metallic, or the defaults."""
    if field_maps.material is not None:
        return field_maps.material, FROM_FIELD
    constants = np.array([DEFAULTS.roughness, DEFAULTS.metallic], np.float32)
    return np.broadcast_to(constants, (*field_maps.albedo.shape[:2], 2)), DEFAULTS


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
