from __future__ import annotations

import numpy as np
import pytest
import torch
import trimesh

from backend.geometry.cameras import orbit_cameras, six_view_cameras
from backend.geometry.point_cloud import column_points, splat
from backend.geometry.ray_scene import RayScene
from backend.geometry.render import cast_camera
from tests.backend.models.painted_sphere import paint_of, view_sphere

SIZE = 64
FRONT = orbit_cameras([0.0], [10.0], 4.0, 15.0)


def sphere_columns() -> tuple[torch.Tensor, torch.Tensor]:
    seen = view_sphere(FRONT, SIZE)
    return column_points(seen.front[0], seen.back[0], seen.rgba[0, :3], seen.rgba[0, 3] > 0.5)


def iou(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a & b).sum() / (a | b).sum())


def test_columns_run_from_front_to_back_in_their_pixels_colour() -> None:
    seen = view_sphere(FRONT, SIZE)
    mask = seen.rgba[0, 3] > 0.5
    points, colours = column_points(seen.front[0], seen.back[0], seen.rgba[0, :3], mask)
    steps = points.reshape(-1, int(mask.sum()), 3)
    torch.testing.assert_close(steps[0], seen.front[0][:, mask].T)
    torch.testing.assert_close(steps[-1], seen.back[0][:, mask].T)
    strides = steps.diff(dim=0)
    torch.testing.assert_close(strides, strides[:1].expand_as(strides), atol=1e-5, rtol=0)
    near = steps[..., 2] >= 0
    assert 0.4 < near.float().mean() < 0.6
    of_pixels = seen.rgba[0, :3, mask].T.expand(steps.shape)
    torch.testing.assert_close(colours.reshape(steps.shape)[near], of_pixels[near])


def test_a_stripe_goes_round_at_one_height_though_the_camera_looks_down() -> None:
    seen = view_sphere(orbit_cameras([0.0], [30.0], 4.0, 15.0), SIZE)
    front, back, mask = seen.front[0], seen.back[0], seen.rgba[0, 3] > 0.5
    striped = (front[1:2] > 0.1).float().expand(3, -1, -1)
    points, colours = column_points(front, back, striped, mask)
    within = 0.06  # of the stripe's edge, colours are mixed
    assert (colours[(points[:, 1] > 0.1 + within) & (points[:, 2] < 0)] > 0.9).all()
    assert (colours[(points[:, 1] < 0.1 - within) & (points[:, 2] < 0)] < 0.1).all()


def test_what_is_on_the_left_is_on_the_left_behind() -> None:
    seen = view_sphere(FRONT, SIZE)
    mask = seen.rgba[0, 3] > 0.5
    sided = (seen.front[0][:1] > 0).float().expand(3, -1, -1)
    points, colours = column_points(seen.front[0], seen.back[0], sided, mask)
    clear = (points[:, 2] < 0) & (points[:, 0].abs() > 0.05)
    torch.testing.assert_close(colours[clear, 0], (points[clear, 0] > 0).float(), atol=0.1, rtol=0)


def test_a_spheres_columns_cover_it_in_every_view() -> None:
    cameras = six_view_cameras(2.0)
    rgba, positions = splat(*sphere_columns(), cameras, SIZE)
    truth = view_sphere(cameras, SIZE)
    for view in range(6):
        drawn, true = rgba[view, 3] > 0.5, truth.rgba[view, 3] > 0.5
        # A point is drawn over 2 x 2 pixels, so at most one pixel's rim is too much; columns are sparse
        # along their own direction, so a little may be missing.
        assert iou(drawn, true) > 0.85
        ndc, _ = cameras[[view]].project(positions[view][:, drawn].T)
        row, column = torch.nonzero(drawn, as_tuple=True)
        pixel = torch.stack([(column + 0.5) / SIZE * 2 - 1, 1 - (row + 0.5) / SIZE * 2], dim=1)
        assert (ndc[0] - pixel).abs().max() < 2 / SIZE + 1e-5


def test_the_reference_camera_sees_its_own_image_again() -> None:
    seen = view_sphere(FRONT, SIZE)
    rgba, positions = splat(*sphere_columns(), FRONT, SIZE)
    inside = (seen.rgba[0, 3] == 1) & (rgba[0, 3] == 1)
    assert iou(rgba[0, 3] > 0.5, seen.rgba[0, 3] > 0.5) > 0.93
    # Each pixel may show its neighbour's point, one pixel's slope away.
    near = inside & ((positions[0] - FRONT.positions[0][:, None, None]).norm(dim=0) < 3.75)
    assert near.sum() > 500
    assert (rgba[0, :3] - paint_of(positions[0].permute(1, 2, 0)).permute(2, 0, 1))[
        :, near
    ].abs().max() < 0.01
    assert (rgba[0, :3] - seen.rgba[0, :3])[:, near].abs().mean() < 0.02


def test_a_boxs_columns_are_its_ray_cast_mask() -> None:
    mesh = trimesh.creation.box((0.5, 0.7, 0.3))
    scene = RayScene(mesh.vertices, mesh.faces.astype(np.int32))
    camera = orbit_cameras([0.0], [0.0], 2.0)
    steps = [torch.linspace(-half, half, 48) for half in (0.25, 0.35)]
    x, y = torch.meshgrid(*steps, indexing="ij")
    front, back = (torch.stack([x, y, torch.full_like(x, z)]) for z in (0.15, -0.15))
    points, colours = column_points(front, back, torch.ones_like(front), torch.ones_like(x, dtype=torch.bool))
    rgba, _ = splat(points, colours, camera, SIZE)
    drawn, true = rgba[0, 3] > 0.5, torch.from_numpy(cast_camera(scene, camera, SIZE).mask)
    assert not (true & ~drawn).any()
    assert iou(drawn, true) > 0.88


@pytest.mark.parametrize("nearer_first", [True, False])
def test_the_nearer_point_wins(nearer_first: bool) -> None:
    points = torch.tensor([[0.0, 0.0, 0.3], [0.0, 0.0, -0.3]])
    colours = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    order = [0, 1] if nearer_first else [1, 0]
    cameras = orbit_cameras([0.0, 180.0], [0.0, 0.0], 2.0)
    rgba, positions = splat(points[order], colours[order], cameras, 8)
    for view in (0, 1):
        covered = rgba[view, 3] == 1
        assert covered.sum() == 4
        assert torch.equal(rgba[view, :3, covered], colours[view][:, None].expand(3, 4))
        assert torch.equal(positions[view][:, covered], points[view][:, None].expand(3, 4))
        assert not rgba[view][:, ~covered].any()
        assert not positions[view][:, ~covered].any()


def test_points_behind_the_camera_or_beside_the_image_are_not_drawn() -> None:
    points = torch.tensor([[0.0, 0.0, 2.5], [0.9, 0.0, 0.0], [0.0, -0.9, 0.0]])
    rgba, _ = splat(points, torch.ones(3, 3), orbit_cameras([0.0], [0.0], 2.0), 16)
    assert not rgba.any()


def test_no_points_no_picture() -> None:
    rgba, positions = splat(torch.zeros(0, 3), torch.zeros(0, 3), six_view_cameras(2.0), 8)
    assert rgba.shape == (6, 4, 8, 8)
    assert positions.shape == (6, 3, 8, 8)
    assert not rgba.any()


def test_splats_repeat_and_do_not_depend_on_the_points_order() -> None:
    points, colours = sphere_columns()
    cameras = six_view_cameras(2.0)
    first = splat(points, colours, cameras, SIZE)
    again = splat(points, colours, cameras, SIZE)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    shuffle = torch.randperm(len(points), generator=torch.Generator().manual_seed(0))
    other, _ = splat(points[shuffle], colours[shuffle], cameras, SIZE)
    assert torch.equal(first[0][:, 3], other[:, 3])
    # Only points at equal depth, to a millionth, may swap.
    assert ((first[0] - other).abs().amax(1) > 1e-4).float().mean() < 0.01
