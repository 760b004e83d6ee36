"""Outlines of antialiased silhouettes."""

from __future__ import annotations

import pytest
import torch

from backend.geometry.cameras import six_view_cameras
from backend.models.presets import TINY
from backend.models.reconstructor.contours import contour_distance
from tests.backend.models.painted_sphere import view_sphere

CAMERAS = six_view_cameras(TINY.view_distance)
RADIUS = 0.35


def test_contours_are_exact_to_a_fraction_of_a_pixel() -> None:
    alpha = view_sphere(CAMERAS, 64, RADIUS).rgba[None, :, 3]
    contours = contour_distance(alpha)
    assert contours.shape == (1, 6, 1, 256, 256)
    steps = (torch.arange(256) + 0.5) / 256 * 2 - 1
    from_centre = torch.stack(torch.meshgrid(steps, steps, indexing="xy")).norm(dim=0)
    # The outline of a sphere seen along the axis is a circle.
    radius = float(CAMERAS.focal[0]) * RADIUS / (TINY.view_distance**2 - RADIUS**2) ** 0.5
    assert (contours[0, :, 0] - (from_centre - radius)).abs().max() < 0.5 / 64 * 2


@pytest.mark.parametrize("coverage", [0.25, 0.45, 1.0])
def test_a_part_thinner_than_a_pixel_is_inside_its_contour(coverage: float) -> None:
    alpha = torch.zeros(1, 6, 64, 64)
    alpha[..., 40:, :] = 1.0
    alpha[..., :40, 20] = coverage
    contours = contour_distance(alpha)[0, 0, 0]
    assert (contours[:150, 82] < 0).all(), "the middle of column 20"
    width = (contours[100] < 0).sum() / 4
    assert 0.5 <= width <= 1.5, "pixels of the view"
    # The half plane's own contour stays where its coverage is one half.
    assert (contours[:158, 150:] > 0).all()
    assert (contours[162:, 150:] < 0).all()


def test_the_blur_of_an_outline_is_no_thin_part() -> None:
    """Coverage that rises over two pixels keeps its contour at one half."""
    alpha = torch.zeros(1, 6, 64, 64)
    alpha[..., 30:] = 1.0
    alpha[..., 29], alpha[..., 28] = 0.4, 0.2
    contours = contour_distance(alpha)[0, 0, 0]
    assert (contours[:, :118] > 0).all()
    assert (contours[:, 122:] < 0).all()


@pytest.mark.parametrize(("level", "sign"), [(0.0, 1), (1.0, -1)])
def test_an_empty_or_full_view_has_no_contour(level: float, sign: int) -> None:
    contours = contour_distance(torch.full((1, 6, 32, 32), level))
    assert torch.equal(contours, torch.full_like(contours, 2.0 * sign))
