from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from backend.geometry.cameras import moved_cameras, orbit_cameras, six_view_cameras
from backend.geometry.projection import Projection
from backend.geometry.texels import rasterise_texels
from backend.models.interfaces import OnFraction
from backend.models.presets import SurfaceConfig
from backend.pipeline.materials import estimate_materials, spread_over_surface
from backend.pipeline.mesh import extract_mesh
from backend.pipeline.stage_data import Field, FieldSamples, Foreground, TexturedMesh, Views, no_views
from backend.pipeline.textures import bake_textures
from tests.backend.geometry.analytic_fields import AnalyticField, SilentProgress, paint, sphere
from tests.backend.geometry.painting import paint_pictures


class BareField(AnalyticField):
    """A field whose network has no material head."""

    def sample(self, points: Tensor) -> FieldSamples:
        known = super().sample(points)
        return FieldSamples(known.sdf, known.albedo, None, None)


class RednessAndHeight:
    """Sees roughness in an image's red and metallic in its rows: 1 in the upper half."""

    name = "redness"

    def __init__(self) -> None:
        self.asked: list[tuple[int, ...]] = []

    def estimate(self, images: Tensor, *, seed: int, on_fraction: OnFraction) -> Tensor:
        self.asked.append((seed, *images.shape))
        upper = torch.zeros_like(images[:, 0])
        upper[:, : images.shape[2] // 2] = 1
        on_fraction(1.0)
        return torch.stack([images[:, 0], upper], dim=1)


CAMERA = orbit_cameras([0.0], [0.0], 2.5)


def bake(field: Field, model: RednessAndHeight | None, *, with_views: bool) -> TexturedMesh:
    mesh = extract_mesh(field, 1500, SilentProgress(), SurfaceConfig(64))
    reference = paint_pictures(mesh, CAMERA, 128)[0]
    foreground, views = Foreground(reference, 0.85, "alpha"), no_views()[0]
    if with_views:
        cameras = six_view_cameras(2.6)
        pictures = torch.from_numpy(paint_pictures(mesh, cameras, 96)).permute(0, 3, 1, 2)
        views = Views(pictures, cameras, 0.0)
    materials = estimate_materials(foreground, views, model, 5, SilentProgress())
    camera = moved_cameras(CAMERA, mesh.model_scale, mesh.model_offset)
    return bake_textures(mesh, field, views, foreground, 128, camera, SilentProgress(), materials)


def texels_of(textured: TexturedMesh) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions on the surface with the roughness and the metallic baked there."""
    texels = rasterise_texels(textured.uvs, textured.faces, 128)
    points = texels.hits.interpolate(textured.faces, textured.vertices)
    maps = (textured.maps.roughness, textured.maps.metallic)
    return (points, *(m.reshape(-1)[texels.index] / 255 for m in maps))


def test_without_head_and_model_the_stated_defaults_are_taken() -> None:
    textured = bake(BareField(sphere().sdf), None, with_views=True)
    assert textured.materials.source == "defaults"
    assert np.unique(textured.maps.roughness).tolist() == [round(255 * textured.materials.roughness)]
    assert np.unique(textured.maps.metallic).tolist() == [round(255 * textured.materials.metallic)]


def test_a_field_that_knows_its_materials_is_believed() -> None:
    textured = bake(sphere(), None, with_views=False)
    assert textured.materials.source == "field"
    points, roughness, _ = texels_of(textured)
    assert np.corrcoef(roughness, points[:, 1])[0, 1] > 0.99


@pytest.mark.parametrize("with_views", [True, False], ids=["six views", "reference alone"])
def test_what_the_model_sees_lies_where_it_saw_it(with_views: bool) -> None:
    model = RednessAndHeight()
    textured = bake(BareField(sphere().sdf), model, with_views=with_views)
    assert model.asked == [(5, 6, 4, 96, 96) if with_views else (5, 1, 4, 128, 128)]
    assert textured.materials.source == "redness"
    points, roughness, metallic = texels_of(textured)
    red = paint(torch.from_numpy(points * 0.8))[:, 0].numpy()  # the mesh is scaled up from a diameter of 0.8
    front = points[:, 2] > 0.35
    assert np.abs(roughness - red)[front].mean() < 0.06
    seen = np.abs(points[:, 1]) > 0.15
    shown = np.abs(points[:, 1]) < 0.4
    assert ((metallic > 0.5) == (points[:, 1] > 0))[seen & shown & front].mean() > 0.95


def test_the_side_that_nobody_saw_takes_the_median() -> None:
    textured = bake(BareField(sphere().sdf), RednessAndHeight(), with_views=False)
    points, roughness, _ = texels_of(textured)
    assert textured.materials.roughness == pytest.approx(roughness[points[:, 2] < -0.2].mean(), abs=0.01)


def test_a_projection_that_saw_nothing_leaves_the_defaults() -> None:
    values, source = spread_over_surface(
        Projection(np.zeros((4, 3), np.float32), np.zeros(4, np.float32)), "redness"
    )
    assert values == pytest.approx(np.tile([0.6, 0.0], (4, 1)))
    assert (source.roughness, source.metallic) == pytest.approx((0.6, 0.0))
