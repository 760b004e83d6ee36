from __future__ import annotations

from functools import cache

import numpy as np
import torch

from backend.geometry.cameras import moved_cameras, six_view_cameras
from backend.geometry.field_queries import batched_sdf, gradient_normals
from backend.geometry.follow_normals import MOST_MOVED, follow_normals
from backend.geometry.isosurface import extract_isosurface
from backend.geometry.render import render_normals
from backend.geometry.tangent_space import decode_normals, to_world_space
from backend.geometry.texels import rasterise_texels
from backend.geometry.vertex_frames import unit, vertex_normals
from backend.models.presets import SurfaceConfig
from backend.pipeline.mesh import extract_mesh
from backend.pipeline.sharpening import NormalGuide, normal_guide
from backend.pipeline.stage_data import Foreground, NormalViews, Views
from backend.pipeline.textures import bake_textures
from tests.backend.geometry.analytic_fields import AnalyticField, SilentProgress, bumpy_sphere, sphere
from tests.backend.geometry.painting import paint_pictures

SMOOTH = sphere()
CAMERAS = six_view_cameras(2.0)


def mesh_of(field: AnalyticField) -> tuple[np.ndarray, np.ndarray]:
    return extract_isosurface(batched_sdf(field), field.half_extent, 64)


@cache
def views_of_bumps() -> tuple[Views, NormalViews]:
    """What a perfect normal model would say of the bumpy sphere."""
    vertices, faces = mesh_of(bumpy_sphere())
    true = gradient_normals(batched_sdf(bumpy_sphere()), vertices, 1e-3)
    normals = render_normals(vertices, faces, true, CAMERAS, 160)
    alpha = (np.linalg.norm(normals, axis=-1) > 0.5).astype(np.float32)[..., None]
    rgba = np.concatenate([np.full_like(normals, 0.5), alpha], axis=-1)
    to_tensor = [torch.from_numpy(a.copy()).permute(0, 3, 1, 2) for a in (rgba, normals)]
    return Views(to_tensor[0], CAMERAS, 0.0), NormalViews(to_tensor[1], None)


def error_of(normals: np.ndarray, points: np.ndarray) -> float:
    """Mean angle to the bumpy sphere's normals, degrees."""
    true = gradient_normals(batched_sdf(bumpy_sphere()), points.astype(np.float32), 1e-3)
    return float(np.degrees(np.arccos(np.einsum("pi,pi->p", normals, true).clip(-1, 1))).mean())


def test_a_smooth_mesh_takes_on_the_bumps_that_the_normals_show() -> None:
    guide = normal_guide(*views_of_bumps())
    plain, bent = (
        extract_mesh(SMOOTH, 10**6, SilentProgress(), SurfaceConfig(64, 0), g) for g in (None, guide)
    )
    assert np.array_equal(plain.faces, bent.faces)
    assert bent.watertight
    errors = [
        error_of(mesh.normals, mesh.vertices * mesh.model_scale + mesh.model_offset) for mesh in (plain, bent)
    ]
    assert errors[1] < 0.8 * errors[0]


def test_the_normal_map_takes_them_on_too() -> None:
    views, normal_views = views_of_bumps()
    mesh = extract_mesh(SMOOTH, 2000, SilentProgress(), SurfaceConfig(64))
    reference = paint_pictures(mesh, CAMERAS[[0]], 96)[0]
    foreground, errors = Foreground(reference, 0.85, "alpha"), []
    for guide in (None, normal_guide(views, normal_views)):
        camera = moved_cameras(CAMERAS[[0]], mesh.model_scale, mesh.model_offset)
        textured = bake_textures(mesh, SMOOTH, views, foreground, 128, camera, SilentProgress(), None, guide)
        texels = rasterise_texels(textured.uvs, textured.faces, 128)
        points, normals, tangents = (
            texels.hits.interpolate(textured.faces, values)
            for values in (textured.vertices, textured.normals, textured.tangents)
        )
        local = decode_normals(textured.maps.normal.reshape(-1, 3)[texels.index])
        in_model = points * mesh.model_scale + mesh.model_offset
        errors.append(error_of(to_world_space(local, normals, tangents), in_model))
    assert errors[1] < 0.6 * errors[0]


def test_normals_that_contradict_the_mesh_change_nothing() -> None:
    guide = normal_guide(*views_of_bumps())
    images = guide.images.copy()
    images[..., :3] = 1 - images[..., :3]
    plain, bent = (
        extract_mesh(SMOOTH, 10**6, SilentProgress(), SurfaceConfig(64, 0), g)
        for g in (None, NormalGuide(images, guide.cameras))
    )
    assert np.abs(plain.vertices - bent.vertices).max() < 1e-5


def test_faces_that_want_their_own_normals_stay_and_none_goes_far() -> None:
    vertices, faces = mesh_of(SMOOTH)
    corners = vertices[faces]
    own = unit(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]))
    assert np.abs(follow_normals(vertices, faces, own) - vertices).max() < 1e-4
    tilted = unit(own + np.array([0.8, 0, 0], np.float32))
    moved = np.linalg.norm(follow_normals(vertices, faces, tilted) - vertices, axis=1)
    assert moved.max() <= MOST_MOVED + 1e-6
    assert vertex_normals(vertices, faces).shape == vertices.shape
