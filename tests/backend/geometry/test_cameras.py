from __future__ import annotations

import math

import pytest
import torch

from backend.geometry.cameras import (
    VIEW_AZIMUTHS,
    VIEW_ELEVATIONS,
    Cameras,
    focal_from_fov,
    orbit_cameras,
    six_view_cameras,
)

VARIED = Cameras(
    orbit_cameras([0, 75, 200, 310], [0, 30, -20, 85], [2.0, 1.5, 3.0, 2.5]).camera_to_world,
    torch.tensor([1.2, 2.0, 4.0, 3.0]),
    torch.tensor([[0.0, 0.0], [0.3, -0.2], [-0.5, 0.1], [0.0, 0.4]]),
)


def pixel_centres(size: int) -> torch.Tensor:
    """NDC of the pixel centres, rows from the top."""
    steps = (torch.arange(size) + 0.5) / size * 2 - 1
    x, y = torch.meshgrid(steps, -steps, indexing="xy")
    return torch.stack([x, y], dim=-1).reshape(-1, 2)


@pytest.mark.parametrize("distance", [0.3, 1.7])
def test_projection_undoes_rays(distance: float) -> None:
    origins, directions = VARIED.rays(5)
    torch.testing.assert_close(directions.norm(dim=-1), torch.ones(4, 5, 5))
    for view in range(4):
        camera = VARIED[[view]]
        points = (origins[view] + distance * directions[view]).reshape(-1, 3)
        ndc, depth = camera.project(points)
        torch.testing.assert_close(ndc[0], pixel_centres(5), atol=1e-5, rtol=0)
        along = (points - camera.positions[0]) @ -camera.camera_to_world[0, :3, 2]
        torch.testing.assert_close(depth[0], along, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("azimuth", "elevation", "position"),
    [
        (0, 0, (0, 0, 2)),
        (90, 0, (2, 0, 0)),
        (180, 0, (0, 0, -2)),
        (270, 0, (-2, 0, 0)),
        (0, 90, (0, 2, 0)),
        (0, 30, (0, 1, math.sqrt(3))),
    ],
)
def test_where_cameras_stand(azimuth: float, elevation: float, position: tuple[float, ...]) -> None:
    cameras = orbit_cameras([azimuth], [elevation], 2.0)
    assert cameras.positions[0].tolist() == pytest.approx(position, abs=1e-6)


def test_the_front_camera_sees_x_to_the_right_and_y_up() -> None:
    ndc, depth = orbit_cameras([0], [0], 2.0, 90.0).project(torch.tensor([[0.5, 0.0, 0.0], [0.0, 0.5, 1.0]]))
    torch.testing.assert_close(ndc[0], torch.tensor([[0.25, 0.0], [0.0, 0.5]]))
    torch.testing.assert_close(depth[0], torch.tensor([2.0, 1.0]))


def test_axes_are_right_handed_and_look_at_the_origin() -> None:
    rotation = VARIED.camera_to_world[:, :3, :3]
    torch.testing.assert_close(rotation @ rotation.mT, torch.eye(3).expand(4, 3, 3), atol=1e-6, rtol=0)
    torch.testing.assert_close(torch.linalg.det(rotation), torch.ones(4))
    ndc, depth = VARIED.project(torch.zeros(1, 3))
    torch.testing.assert_close(ndc[:, 0], VARIED.centre, atol=1e-6, rtol=0)
    torch.testing.assert_close(depth[:, 0], VARIED.positions.norm(dim=1))


def test_points_behind_have_negative_depth() -> None:
    assert orbit_cameras([0], [0], 2.0).project(torch.tensor([[0.0, 0.0, 3.0]]))[1].item() == pytest.approx(
        -1
    )


def test_the_six_views_are_zero123_plus_plus() -> None:
    cameras = six_view_cameras(2.0)
    x, y, z = (cameras.positions / 2.0).unbind(-1)
    azimuths = torch.rad2deg(torch.atan2(x, z)) % 360
    torch.testing.assert_close(azimuths, torch.tensor([30.0, 90.0, 150.0, 210.0, 270.0, 330.0]))
    torch.testing.assert_close(torch.rad2deg(y.asin()), torch.tensor([20.0, -10.0] * 3))
    assert (VIEW_AZIMUTHS, VIEW_ELEVATIONS) == ((30, 90, 150, 210, 270, 330), (20, -10) * 3)
    # Thirty degrees from edge to edge.
    half = math.tan(math.radians(15)) * 2.0
    ndc, _ = orbit_cameras([0], [0], 2.0).project(torch.tensor([[0.0, half, 0.0]]))
    assert ndc[0, 0, 1].item() == pytest.approx(1, abs=1e-6)
    assert cameras.focal.tolist() == pytest.approx([focal_from_fov(30.0)] * 6)


def test_a_selection_keeps_each_cameras_own_values() -> None:
    for chosen, wanted in ((VARIED[1:3], [1, 2]), (VARIED[[3, 0]], [3, 0])):
        assert len(chosen) == 2
        assert torch.equal(chosen.camera_to_world, VARIED.camera_to_world[wanted])
        assert torch.equal(chosen.focal, VARIED.focal[wanted])
        assert torch.equal(chosen.centre, VARIED.centre[wanted])


def test_lists_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        orbit_cameras([0, 1], [0], 2.0)


def test_reduced_precision_around_it_does_not_blur_a_projection() -> None:
    points = torch.rand(200, 3, generator=torch.Generator().manual_seed(0)) - 0.5
    with torch.autocast("cpu", torch.bfloat16):
        ndc, depth = VARIED.project(points)
        directions = VARIED.rays(4)[1]
    assert torch.equal(ndc, VARIED.project(points)[0])
    assert torch.equal(depth, VARIED.project(points)[1])
    assert torch.equal(directions, VARIED.rays(4)[1])


def test_unproject_undoes_project() -> None:
    cameras = orbit_cameras([0.0, 130.0], [20.0, -35.0], 2.5, [30.0, 45.0], centre=(0.1, -0.2))
    points = torch.rand(50, 3, generator=torch.Generator().manual_seed(0)) - 0.5
    again = cameras.unproject(*cameras.project(points))
    torch.testing.assert_close(again, points.expand(2, 50, 3), atol=1e-5, rtol=0)
