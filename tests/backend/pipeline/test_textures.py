from __future__ import annotations

from dataclasses import replace
from functools import cache

import cv2
import numpy as np
import pytest

from backend.geometry import uv_atlas
from backend.geometry.cameras import Cameras, orbit_cameras
from backend.geometry.field_queries import batched_sdf, gradient_normals
from backend.geometry.render import render_unlit
from backend.geometry.tangent_space import decode_normals, to_world_space
from backend.geometry.texels import Texels, rasterise_texels
from backend.geometry.vertex_frames import unit
from backend.models.presets import SurfaceConfig
from backend.pipeline.stage_data import Foreground, Mesh, TexturedMesh, Views
from tests.backend.geometry.analytic_fields import AnalyticField, bumpy_sphere, capsules, sphere
from tests.backend.geometry.painted_asset import PLAIN, bake_painted
from tests.backend.geometry.painting import mean_colour_error, paint_pictures

AROUND = orbit_cameras([0, 50, 120, 180, 250, 310, 0], [15, 10, -20, 0, 30, -10, 70], 2.8)


@cache
def painted_capsules() -> tuple[Mesh, TexturedMesh, Views, Foreground]:
    return bake_painted(capsules())


def render(textured: TexturedMesh, cameras: Cameras, uvs: np.ndarray | None = None) -> np.ndarray:
    uvs = textured.uvs if uvs is None else uvs
    return render_unlit(textured.vertices, textured.faces, uvs, textured.maps.base_color, cameras, 160)


def errors_around(mesh: Mesh, textured: TexturedMesh, uvs: np.ndarray | None = None) -> list[float]:
    truth = paint_pictures(mesh, AROUND, 160, in_model_frame=False)
    return [mean_colour_error(a, b) for a, b in zip(render(textured, AROUND, uvs), truth, strict=True)]


def surface(textured: TexturedMesh) -> tuple[Texels, np.ndarray, np.ndarray, np.ndarray]:
    """Texels with their positions, interpolated normals and tangents."""
    texels = rasterise_texels(textured.uvs, textured.faces, textured.maps.normal.shape[0])
    attributes = (textured.vertices, textured.normals, textured.tangents)
    return (texels, *(texels.hits.interpolate(textured.faces, a) for a in attributes))


def test_every_side_shows_the_fields_paint() -> None:
    mesh, textured, _, _ = painted_capsules()
    assert max(errors_around(mesh, textured)) < 0.03


def test_a_large_meshes_charts_show_it_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uv_atlas, "PROJECTED_FROM", 1000)
    mesh, textured, _, _ = bake_painted(capsules(), faces=8000)
    assert max(errors_around(mesh, textured)) < 0.03
    texels, points, normals, tangents = surface(textured)
    local = decode_normals(textured.maps.normal.reshape(-1, 3)[texels.index])
    in_model = (points * mesh.model_scale + mesh.model_offset).astype(np.float32)
    truth = gradient_normals(batched_sdf(capsules()), in_model, 1e-3)
    assert np.median(degrees_between(to_world_space(local, normals, tangents), truth)) < 1.5


def test_a_mirrored_texture_would_be_noticed() -> None:
    mesh, textured, _, _ = painted_capsules()
    assert min(errors_around(mesh, textured, 1 - textured.uvs)) > 0.06


def test_no_background_on_the_surface() -> None:
    _, textured, _, _ = painted_capsules()
    colours = textured.maps.base_color.astype(int)
    magenta = (colours[..., 0] > 230) & (colours[..., 1] < 40) & (colours[..., 2] > 230)
    assert not magenta.any()


def test_the_reference_gives_detail_that_the_views_lack() -> None:
    _, textured, _, foreground = bake_painted(capsules(), view_size=24, size=512, reference_size=512)
    rendered = render_unlit(
        textured.vertices,
        textured.faces,
        textured.uvs,
        textured.maps.base_color,
        textured.reference_camera,
        512,
    )[0]
    picture = foreground.image[..., :3]
    blurred = cv2.resize(cv2.resize(picture, (24, 24), interpolation=cv2.INTER_AREA), (512, 512))
    # Where the letter is, away from the rim.
    letter = np.s_[230:350, 225:275]
    error = np.abs(rendered[..., :3] - picture)[letter].mean()
    assert error < 0.4 * np.abs(blurred - picture)[letter].mean()


def test_darker_views_are_brought_to_the_references_brightness_without_a_seam() -> None:
    mesh, textured, _, _ = bake_painted(sphere(), view_brightness=0.8)
    assert max(errors_around(mesh, textured)) < 0.06
    # From here the reference ends in mid-picture and the letter is out of sight.
    ring = orbit_cameras([105.0], [0.0], 2.8)
    rendered, truth = render(textured, ring)[0], paint_pictures(mesh, ring, 160, in_model_frame=False)[0]
    inside = truth[..., 3] > 0.5
    error = np.where(inside, (rendered - truth)[..., :3].mean(axis=-1), 0)[60:100, 40:120]
    assert np.abs(np.diff(error, axis=1)).max() < 0.08


def test_materials_come_from_the_field() -> None:
    mesh, textured, _, _ = painted_capsules()
    texels, points, _, _ = surface(textured)
    in_model = points * mesh.model_scale + mesh.model_offset
    roughness = textured.maps.roughness.reshape(-1)[texels.index] / 255
    metallic = textured.maps.metallic.reshape(-1)[texels.index] / 255
    assert np.abs(roughness - (0.5 + 0.4 * in_model[:, 1])).mean() < 0.01
    assert ((metallic > 0.5) == (in_model[:, 0] > 0)).mean() > 0.98


def degrees_between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.degrees(np.arccos(np.einsum("pi,pi->p", a, b).clip(-1, 1)))


def baked_and_true_normals(
    field: AnalyticField, faces: int, config: SurfaceConfig = PLAIN
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """World normals that a shader computes from the map, the field's own, and the bare mesh's."""
    mesh, textured, _, _ = bake_painted(field, faces=faces, surface=config)
    texels, points, normals, tangents = surface(textured)
    local = decode_normals(textured.maps.normal.reshape(-1, 3)[texels.index])
    in_model = (points * mesh.model_scale + mesh.model_offset).astype(np.float32)
    truth = gradient_normals(batched_sdf(field), in_model, 1e-3)
    return to_world_space(local, normals, tangents), truth, unit(normals)


def test_the_normal_map_is_flat_where_the_mesh_is_exact() -> None:
    _, textured, _, _ = bake_painted(sphere(), faces=2000)
    texels, *_ = surface(textured)
    local = decode_normals(textured.maps.normal.reshape(-1, 3)[texels.index])
    assert degrees_between(local, np.tile([0.0, 0.0, 1.0], (len(local), 1))).max() < 3


@pytest.mark.parametrize("faces", [400, 1500])
def test_the_normal_map_restores_what_decimation_removed(faces: int) -> None:
    shaded, truth, bare = baked_and_true_normals(bumpy_sphere(), faces)
    error = degrees_between(shaded, truth)
    assert np.median(error) < 1.5
    assert np.quantile(error, 0.98) < 5
    assert error.mean() < 0.4 * degrees_between(bare, truth).mean()


def test_a_denoised_surfaces_normal_map_has_the_shape_without_the_noise() -> None:
    """Ripples about as long as a cell of the isosurface's grid lie over a ball."""
    rippled = bumpy_sphere(height=0.004, frequency=110.0)
    errors = []
    for config in (PLAIN, replace(PLAIN, denoised=True)):
        mesh, textured, _, _ = bake_painted(rippled, surface=config)
        texels, points, normals, tangents = surface(textured)
        local = decode_normals(textured.maps.normal.reshape(-1, 3)[texels.index])
        centre_to_point = unit(points * mesh.model_scale + mesh.model_offset)
        errors.append(degrees_between(to_world_space(local, normals, tangents), centre_to_point).mean())
    noisy, denoised = errors
    assert noisy > 5
    assert denoised < noisy / 3


def test_a_denoised_surface_gives_its_detail_to_a_coarser_mesh() -> None:
    shaded, truth, bare = baked_and_true_normals(bumpy_sphere(), 400, replace(PLAIN, denoised=True))
    assert degrees_between(shaded, truth).mean() < 0.6 * degrees_between(bare, truth).mean()


def test_tangents_are_gltfs() -> None:
    _, textured, _, _ = painted_capsules()
    assert np.allclose(np.linalg.norm(textured.tangents[:, :3], axis=1), 1, atol=1e-4)
    assert set(np.unique(textured.tangents[:, 3])) <= {-1.0, 1.0}
    along = np.abs(np.einsum("vi,vi->v", textured.tangents[:, :3], textured.normals))
    assert np.quantile(along, 0.99) < 0.05
