"""An analytic field taken through mesh and textures, with the pictures that generation would have given."""

from __future__ import annotations

import numpy as np
import torch

from backend.geometry.cameras import orbit_cameras, six_view_cameras
from backend.models.presets import SurfaceConfig
from backend.pipeline.mesh import extract_mesh
from backend.pipeline.reference_fit import fit_to_reference
from backend.pipeline.stage_data import Foreground, Mesh, TexturedMesh, Views
from backend.pipeline.textures import bake_textures
from tests.backend.geometry.analytic_fields import AnalyticField, SilentProgress
from tests.backend.geometry.painting import paint_pictures

ELEVATION = 15.0
PLAIN = SurfaceConfig(64)


def bake_painted(
    field: AnalyticField,
    *,
    faces: int = 2000,
    size: int = 256,
    view_size: int = 96,
    view_brightness: float = 1.0,
    reference_size: int = 256,
    surface: SurfaceConfig = PLAIN,
) -> tuple[Mesh, TexturedMesh, Views, Foreground]:
    """Pictures of the field's paint, transparent pixels magenta so that leaking background shows."""
    mesh = extract_mesh(field, faces, SilentProgress(), surface)
    cameras = six_view_cameras(2.6)
    pictures = paint_pictures(mesh, cameras, view_size)
    pictures[..., :3] *= view_brightness
    views = Views(torch.from_numpy(_on_magenta(pictures)).permute(0, 3, 1, 2), cameras, ELEVATION - 4)
    reference = paint_pictures(mesh, orbit_cameras([0.0], [ELEVATION], 2.5), reference_size)
    foreground = Foreground(_on_magenta(reference)[0], 0.85, "alpha")
    mesh, camera = fit_to_reference(mesh, foreground, ELEVATION - 4, SilentProgress())
    textured = bake_textures(mesh, field, views, foreground, size, camera, SilentProgress())
    return mesh, textured, views, foreground


def _on_magenta(pictures: np.ndarray) -> np.ndarray:
    pictures[pictures[..., 3] == 0] = (1, 0, 1, 0)
    return pictures
