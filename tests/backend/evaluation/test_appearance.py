"""Image and material metrics whose right values are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage.metrics import structural_similarity

from backend.evaluation.appearance import (
    compare_materials,
    compare_views,
    normal_error_degrees,
    similarity,
    textured_model,
)
from backend.geometry.cameras import orbit_cameras, six_view_cameras
from backend.pipeline.stage_data import Maps, NormalViews, TexturedMesh, Views
from backend.training.assets import SurfaceSamples


def card(left: int = 200, right: int = 100) -> TexturedMesh:
    """A unit square in the xy plane; the left half of its maps differs from the right."""
    vertices = np.array([[-0.5, -0.5, 0], [0.5, -0.5, 0], [0.5, 0.5, 0], [-0.5, 0.5, 0]], np.float32)
    plane = np.full((16, 16), right, np.uint8)
    plane[:, :8] = left
    zeros = np.zeros_like(plane)
    return TexturedMesh(
        vertices=vertices,
        faces=np.array([[0, 1, 2], [0, 2, 3]], np.int32),
        normals=np.tile(np.array([0, 0, 1], np.float32), (4, 1)),
        tangents=np.tile(np.array([1, 0, 0, 1], np.float32), (4, 1)),
        uvs=vertices[:, :2] + 0.5,
        maps=Maps(np.stack([plane] * 3, -1), plane, zeros, np.stack([zeros] * 3, -1)),
        reference_camera=orbit_cameras([0.0], [0.0], 2.0),
    )


def truth_on_card(value: float, z: float = 0.0, count: int = 4_000) -> SurfaceSamples:
    points = np.random.default_rng(0).uniform(-0.5, 0.5, (count, 3)).astype(np.float32)
    points[:, 2] = z
    ones = np.ones(count, np.float32)
    return SurfaceSamples(
        points, np.tile([0, 0, 1.0], (count, 1)), ones[:, None].repeat(3, 1) * value, ones * value, ones
    )


def test_equal_views() -> None:
    view = np.random.default_rng(0).random((2, 32, 32, 4)).astype(np.float32)
    scores = compare_views(view, view)
    assert (scores.psnr, scores.ssim, scores.mask_iou) == pytest.approx((100, 1, 1))


def test_similarity_is_scikit_images() -> None:
    rng = np.random.default_rng(0)
    smooth = ndimage.gaussian_filter(rng.random((40, 48, 3)), (3, 3, 0)).astype(np.float32)
    noisy = (smooth + rng.normal(0, 0.02, smooth.shape)).clip(0, 1).astype(np.float32)
    wanted = structural_similarity(smooth, noisy, channel_axis=-1, data_range=1.0)
    assert similarity(smooth, noisy) == pytest.approx(wanted, abs=1e-4)


def test_a_constant_error_has_its_psnr_and_transparent_colours_do_not_count() -> None:
    a = np.zeros((1, 32, 32, 4), np.float32)
    a[..., 3] = 1
    b = a.copy()
    b[..., :3] = 0.1
    assert compare_views(a, b).psnr == pytest.approx(20, abs=1e-3)
    a[..., 3] = b[..., 3] = 0
    assert compare_views(a, b).psnr == pytest.approx(100)


def test_normal_error_is_an_angle_inside_both_masks() -> None:
    normals = torch.zeros(6, 3, 8, 8)
    normals[:, 2] = 1
    turned = torch.zeros(6, 3, 8, 8)
    turned[:, 2], turned[:, 0] = math.cos(math.radians(30)), math.sin(math.radians(30))
    rgba = torch.zeros(6, 4, 8, 8)
    rgba[:, 3, :4] = 1
    views = Views(rgba, six_view_cameras(2.0), 0.0)
    empty = Views(torch.zeros_like(rgba), views.cameras, 0.0)
    error = normal_error_degrees(NormalViews(turned, None), NormalViews(normals, None), views, views)
    assert error == pytest.approx(30, abs=0.01)
    assert math.isnan(
        normal_error_degrees(NormalViews(turned, None), NormalViews(normals, None), views, empty)
    )


def test_material_errors_follow_the_atlas() -> None:
    scores = compare_materials(card(left=255, right=0), truth_on_card(1.0))
    assert scores.albedo == pytest.approx(0.5, abs=0.02)
    assert scores.roughness == pytest.approx(0.5, abs=0.02)
    assert scores.metallic == pytest.approx(1)


def test_materials_need_a_true_surface_nearby() -> None:
    assert math.isnan(compare_materials(card(), truth_on_card(1.0, z=0.3)).albedo)


def test_the_textured_model_carries_its_maps() -> None:
    model = textured_model(card(left=200, right=100))
    assert model.parts[0].texture is not None
    assert set((model.parts[0].roughness * 255).round()) <= {100.0, 200.0}
