"""Baselines on silhouettes whose bodies are known."""

from __future__ import annotations

import numpy as np
import pytest

from backend.evaluation.baselines import inflated_silhouette, isosurface, mean_shape, sphere, visual_hull
from backend.evaluation.metrics import score
from backend.evaluation.shape import shape_in_unit_box
from backend.geometry.cameras import Cameras, six_view_cameras
from tests.backend.evaluation.meshes import ball, box

POINTS = 5_000


def volume(triangles: np.ndarray) -> float:
    """Positive for surfaces wound outwards."""
    a, b, c = np.moveaxis(triangles.astype(float), 1, 0)
    return float(np.einsum("fi,fi->f", a, np.cross(b, c)).sum() / 6)


def disc_mask(size: int = 128) -> np.ndarray:
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    return (x**2 + y**2 < 0.7).astype(np.float32)


def ball_views(cameras: Cameras, radius: float, size: int = 96) -> tuple[np.ndarray, np.ndarray]:
    """Masks and depths of a ball at the origin, by solving for the rays."""
    origins, directions = (rays.numpy().astype(float) for rays in cameras.rays(size))
    along = -(origins * directions).sum(-1)
    missed = (origins**2).sum(-1) - along**2
    hit = missed < radius**2
    distance = along - np.sqrt(np.clip(radius**2 - missed, 0, None))
    forward = -cameras.camera_to_world[:, :3, 2].numpy()
    depth = distance * np.einsum("vhwi,vi->vhw", directions, forward)
    return hit.astype(np.float32), np.where(hit, depth, 0).astype(np.float32)


def test_a_disc_becomes_a_ball() -> None:
    inflated = inflated_silhouette(disc_mask())
    scores = score(shape_in_unit_box(inflated, POINTS), shape_in_unit_box(ball(), POINTS))
    assert scores.f05 > 0.98
    assert scores.iou > 0.9
    assert volume(inflated) > 0


def test_a_bar_becomes_a_round_bar_whatever_else_is_in_the_picture() -> None:
    mask = np.zeros((100, 100), np.float32)
    mask[10:90, 45:55] = 1
    mask[70:90, 10:90] = 1
    low, high = (
        inflated_silhouette(mask).reshape(-1, 3).min(0),
        inflated_silhouette(mask).reshape(-1, 3).max(0),
    )
    np.testing.assert_allclose((high - low)[:2], (high - low)[0], rtol=0.05)
    assert (high - low)[2] == pytest.approx((high - low)[0] * 20 / 80, rel=0.15)  # as thick as the foot


def test_elevation_tilts_the_mask_plane_towards_the_camera() -> None:
    mask = np.zeros((64, 64), np.float32)
    mask[4:60, 28:36] = 1  # an upright rod, seen from straight above: it lies on the ground, top to -Z
    upright, lying = (inflated_silhouette(mask, angle).reshape(-1, 3) for angle in (0.0, 90.0))
    assert np.ptp(upright[:, 1]) > 4 * np.ptp(upright[:, 2])
    assert np.ptp(lying[:, 2]) > 4 * np.ptp(lying[:, 1])
    np.testing.assert_allclose(lying[:, 2], -upright[:, 1], atol=1e-5)


def test_the_hull_of_a_ball_is_near_it_and_depth_brings_it_nearer() -> None:
    cameras = six_view_cameras(2.0)
    masks, depths = ball_views(cameras, 0.4)
    truth = shape_in_unit_box(ball(), POINTS)
    hull = visual_hull(masks, cameras)
    carved = visual_hull(masks, cameras, depths)
    assert volume(hull) > 4 / 3 * np.pi * 0.4**3 * 0.98
    hull_score, carved_score = (score(shape_in_unit_box(t, POINTS), truth) for t in (hull, carved))
    assert hull_score.f05 > 0.8
    assert carved_score.iou > hull_score.iou


def test_the_mean_shape_holds_the_mean_volume() -> None:
    small, large = (shape_in_unit_box(box(1, side, side), POINTS).occupancy for side in (0.3, 0.6))
    mean = (small.astype(np.float32) + large) / 2
    triangles = mean_shape(mean)
    voxels = volume(triangles) * ((mean.shape[0] + 1) / 2) ** 3
    assert small.sum() * 0.8 < voxels < large.sum() * 1.1


def test_isosurface_is_outward_and_empty_where_nothing_crosses() -> None:
    grid = np.linspace(-1, 1, 32)
    x, y, z = np.meshgrid(grid, grid, grid, indexing="ij")
    triangles = isosurface(0.8 - np.sqrt(x**2 + y**2 + z**2), 0.0, -1.0, 1.0)
    assert volume(triangles) == pytest.approx(4 / 3 * np.pi * 0.8**3, rel=0.02)
    assert isosurface(np.zeros((8, 8, 8)), 0.5, -1.0, 1.0).shape == (0, 3, 3)


def test_sphere_is_outward() -> None:
    assert volume(sphere()) == pytest.approx(4 / 3 * np.pi, rel=0.02)
