"""Stage 5: from the field to a clean triangle mesh."""

from __future__ import annotations

import numpy as np
import trimesh
from jaxtyping import Float32, Int32

from backend.errors import EmptySurfaceError
from backend.geometry.field_queries import batched_sdf
from backend.geometry.isosurface import extract_isosurface
from backend.geometry.mesh_cleaning import clean, decimate, face_components, keep_object
from backend.geometry.mesh_denoising import denoise
from backend.geometry.vertex_frames import bounding_frame, vertex_normals
from backend.models.presets import SurfaceConfig
from backend.pipeline.sharpening import NormalGuide, sharpen_mesh
from backend.pipeline.stage_data import DetailedSurface, Field, Mesh, Progress, SurfacedField

DEFAULT_SURFACE = SurfaceConfig()
DETAIL_FACES = 20_000
"""Of the surface that is denoised and gives the normal map, at least."""
SURFACE_SHARE = 0.6
"""Of this stage's progress, what the extraction of the surface takes."""


def extract_mesh(
    field: Field,
    faces: int,
    progress: Progress,
    surface: SurfaceConfig = DEFAULT_SURFACE,
    guide: NormalGuide | None = None,
) -> Mesh:
    """The object's surface with at most `faces` triangles, outward, centred, its longest side 1.

    `surface` counts cells along each side of the field's cube: 32 times a power of two (a field that brings
    its own surface has its own grid). The smoothed mesh is bent towards the `guide`'s normals.
    Raises EmptySurfaceError when the field has no inside, or only dust.
    """
    vertices, triangles = _extract_surface(field, surface, progress)
    vertices, triangles = keep_object(vertices, triangles)
    vertices, triangles = clean(vertices, triangles, surface.smoothing)
    if guide is not None:
        vertices = sharpen_mesh(vertices, triangles, guide)
    progress.advance("mesh", 0.75)
    _require_solid(triangles)
    detail = None
    if surface.denoised:
        vertices, triangles = decimate(vertices, triangles, max(faces, DETAIL_FACES))
        vertices = denoise(vertices, triangles)
        detail = DetailedSurface(vertices, triangles, vertex_normals(vertices, triangles))
    vertices, triangles = decimate(vertices, triangles, faces)
    _require_solid(triangles)

    scale, offset = bounding_frame(vertices)
    vertices = (vertices - offset) / np.float32(scale)
    progress.advance("mesh", 1.0)
    return Mesh(
        vertices=vertices,
        faces=triangles,
        normals=vertex_normals(vertices, triangles),
        field_vertices=vertices,
        model_scale=scale,
        model_offset=offset,
        watertight=bool(trimesh.Trimesh(vertices, triangles, process=False).is_watertight),
        components=int(face_components(triangles).max()) + 1,
        detail=detail,
    )


def _require_solid(triangles: Int32[np.ndarray, "face 3"]) -> None:
    """Cleaning and decimation may each leave nothing of a speck."""
    if len(triangles) < 4:
        raise EmptySurfaceError(
            "The reconstruction is too small to be a solid. "
            "Try another seed, or an image in which the object fills more of the frame."
        )


def _extract_surface(
    field: Field, surface: SurfaceConfig, progress: Progress
) -> tuple[Float32[np.ndarray, "vertex 3"], Int32[np.ndarray, "face 3"]]:
    if isinstance(field, SurfacedField):
        return field.surface(lambda fraction: progress.advance("mesh", SURFACE_SHARE * fraction))
    # What a compact object asks for; only the progress bar depends on it.
    expected_queries = 33**3 + 20 * surface.cells**2
    done = 0

    def report(count: int) -> None:
        nonlocal done
        done += count
        progress.advance("mesh", SURFACE_SHARE * min(1.0, done / expected_queries))

    return extract_isosurface(
        batched_sdf(field, report), field.half_extent, surface.cells, drop_crumbs=surface.denoised
    )
