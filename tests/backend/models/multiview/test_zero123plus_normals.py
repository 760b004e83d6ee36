"""View-space normals on mid-grey to world-frame normals, on a sphere whose normals are known."""

from __future__ import annotations

import torch

from backend.geometry.cameras import six_view_cameras
from backend.models.multiview.zero123plus_normals import world_normals
from tests.backend.models.painted_sphere import view_sphere


def test_a_spheres_normals_come_back_in_the_world_frame() -> None:
    cameras = six_view_cameras(2.4)
    views = view_sphere(cameras, 48)
    to_camera = cameras.camera_to_world[:, :3, :3].transpose(1, 2)
    in_view = torch.einsum("vij,vjhw->vihw", to_camera, views.normals)
    inside = views.rgba[:, 3] > 0.99
    drawn = (in_view * inside[:, None]) * 0.5 + 0.5
    found = world_normals(drawn, views.rgba[:, 3], cameras)
    error = (found - views.normals).norm(dim=1)
    assert error[inside].max() < 1e-4
    assert (found.norm(dim=1)[views.rgba[:, 3] == 0] == 0).all()


def test_short_vectors_lie_on_the_object_where_the_colours_say_so() -> None:
    drawn = torch.full((1, 3, 2, 3), 0.5)
    drawn[0, 2, :, 0] = 0.5 + 0.35  # |n| = 0.7
    drawn[0, 2, :, 1] = 0.5 + 0.20  # |n| = 0.4
    drawn[0, 2, :, 2] = 0.5 + 0.05  # |n| = 0.1
    alpha = torch.tensor([[[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]]])
    kept = world_normals(drawn, alpha, six_view_cameras(4.0)[[0]]).norm(dim=1)[0]
    torch.testing.assert_close(kept, torch.tensor([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0]]))
