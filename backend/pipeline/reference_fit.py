"""The mesh brought to what the reference image shows: its camera is found, then its outline is taken over."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from backend.geometry.cameras import Cameras, moved_cameras
from backend.geometry.fit_silhouette import fit_silhouette
from backend.geometry.register_reference import register_reference
from backend.geometry.vertex_frames import bounding_frame, vertex_normals
from backend.pipeline.stage_data import Foreground, Mesh, Progress


def fit_to_reference(
    mesh: Mesh, foreground: Foreground, elevation_degrees: float, progress: Progress
) -> tuple[Mesh, Cameras]:
    """The mesh with the reference's outline, and the one camera that took the reference, in its frame.

    `elevation_degrees` is what the views' model takes the camera's elevation for. Raises ForegroundError for
    an empty foreground.
    """
    alpha = np.ascontiguousarray(foreground.image[..., 3])
    camera = register_reference(mesh.vertices, mesh.faces, alpha, elevation_degrees)
    progress.advance("mesh", 1.0)  # for whoever cancels: this is part of that stage
    fitted = fit_silhouette(mesh.vertices, mesh.faces, camera, alpha)
    scale, offset = bounding_frame(fitted)
    vertices = (fitted - offset) / np.float32(scale)
    return (
        replace(
            mesh,
            vertices=vertices,
            normals=vertex_normals(vertices, mesh.faces),
            field_vertices=(mesh.field_vertices - offset) / np.float32(scale),
            model_scale=mesh.model_scale * scale,
            model_offset=mesh.model_offset + offset * np.float32(mesh.model_scale),
        ),
        moved_cameras(camera, scale, offset),
    )
