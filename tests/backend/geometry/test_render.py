from __future__ import annotations

import numpy as np
import trimesh

from backend.geometry.cameras import orbit_cameras
from backend.geometry.ray_scene import RayScene
from backend.geometry.render import cast_camera, render_normals, render_unlit, sample_map

QUAD = np.array([[-0.5, -0.5, 0], [0.5, -0.5, 0], [0.5, 0.5, 0], [-0.5, 0.5, 0]], np.float32)
FACES = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
UVS = QUAD[:, :2] + 0.5
FRONT = orbit_cameras([0.0], [0.0], 3.0)


def test_a_texture_appears_upright_and_unmirrored() -> None:
    texture = np.zeros((64, 64, 3), np.uint8)
    texture[:32, 32:, 0] = 255
    image = render_unlit(QUAD, FACES, UVS, texture, FRONT, 64)[0]
    rows, columns = np.nonzero(image[..., 0] > 0.5)
    assert rows.max() <= 32
    assert columns.min() >= 31
    assert image[32, 2, 3] == 0


def test_depth_is_along_the_axis_not_along_the_ray() -> None:
    buffer = cast_camera(RayScene(QUAD, FACES), FRONT, 32)
    assert buffer.mask.any()
    assert not buffer.mask.all()
    assert np.allclose(buffer.depth[buffer.mask], 3, atol=1e-4)


def test_normals_are_in_the_world_frame() -> None:
    ball = trimesh.creation.icosphere(3, 0.5)
    vertices = ball.vertices.astype(np.float32)
    images = render_normals(vertices, ball.faces, vertices * 2, orbit_cameras([0, 90], [0, 0], 3.0), 33)
    assert np.allclose(images[0, 16, 16], [0, 0, 1], atol=0.01)
    assert np.allclose(images[1, 16, 16], [1, 0, 0], atol=0.01)
    assert not images[0, 0, 0].any()


def test_supersampling_softens_the_rim_without_darkening_it() -> None:
    texture = np.full((4, 4, 3), 200, np.uint8)
    image = render_unlit(QUAD, FACES, UVS, texture, orbit_cameras([20], [10], 3.0), 32, supersampling=2)[0]
    soft = (image[..., 3] > 0) & (image[..., 3] < 1)
    assert soft.any()
    assert np.allclose(image[soft, :3], 200 / 255, atol=1e-3)


def test_map_samples_are_bilinear_between_texel_centres() -> None:
    texture = np.array([[0, 100], [200, 40]], np.uint8)[..., None]
    uvs = np.array([[0.25, 0.75], [0.5, 0.75], [0.25, 0.5], [0.75, 0.25]], np.float32)
    assert np.allclose(sample_map(texture, uvs)[:, 0] * 255, [0, 50, 100, 40], atol=1e-3)
