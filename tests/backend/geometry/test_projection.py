from __future__ import annotations

import numpy as np
import torch
import trimesh

from backend.geometry.cameras import orbit_cameras
from backend.geometry.projection import Feather, project_image
from backend.geometry.ray_scene import RayScene
from backend.geometry.render import cast_camera

FEATHER = Feather(cosine=(0.1, 0.5), edge=(0.005, 0.02))
CAMERA = orbit_cameras([0.0], [0.0], 3.0)


def picture_of(scene: RayScene, size: int = 256) -> np.ndarray:
    """Red to the right, green upward inside the mesh; pure magenta background under a soft alpha."""
    mask = cast_camera(scene, CAMERA, size).mask.reshape(size, size)
    steps = (np.arange(size) + 0.5) / size
    red, green = np.meshgrid(steps, 1 - steps)
    image = np.stack([red, green, np.zeros_like(red), mask], axis=-1).astype(np.float32)
    image[~mask] = (1, 0, 1, 0)
    return image


def test_colours_come_from_where_the_camera_sees_the_point() -> None:
    mesh = trimesh.creation.icosphere(4, 0.5)
    scene = RayScene(mesh.vertices, mesh.faces)
    points = mesh.vertices.astype(np.float32)
    seen = project_image(picture_of(scene), CAMERA, scene, points, points * 2, FEATHER)
    ndc = CAMERA.project(torch.from_numpy(points))[0][0].numpy()
    trusted = seen.weight > 0.9
    assert trusted.sum() > 500
    assert np.abs(seen.colour[trusted, :2] - (ndc[trusted] + 1) / 2).max() < 0.01
    assert (seen.weight[points[:, 2] < 0] == 0).all()


def test_background_never_reaches_the_surface() -> None:
    mesh = trimesh.creation.icosphere(4, 0.5)
    small = trimesh.creation.icosphere(4, 0.46)
    scene = RayScene(mesh.vertices, mesh.faces)
    picture = picture_of(RayScene(small.vertices, small.faces))
    points = mesh.vertices.astype(np.float32)
    seen = project_image(picture, CAMERA, scene, points, points * 2, FEATHER)
    assert seen.colour[seen.weight > 0, 2].max() == 0


def test_what_is_hidden_gets_nothing_and_weights_fade_towards_the_occluder() -> None:
    back = trimesh.creation.box((1, 1, 0.1))
    front = trimesh.creation.box((0.3, 0.3, 0.1), trimesh.transformations.translation_matrix([0, 0, 0.6]))
    both = trimesh.util.concatenate([back, front])
    scene = RayScene(both.vertices, both.faces)
    x = np.linspace(-0.45, 0.45, 400, dtype=np.float32)
    wall = np.stack([x, np.zeros_like(x), np.full_like(x, 0.05)], axis=1)
    normals = np.tile(np.array([0, 0, 1], np.float32), (len(x), 1))
    seen = project_image(picture_of(scene), CAMERA, scene, wall, normals, FEATHER)
    shadow = 0.15 * (3 - 0.05) / (3 - 0.65)
    assert (seen.weight[np.abs(x) < shadow] == 0).all()
    assert seen.weight[np.abs(np.abs(x) - 0.3) < 0.05].min() > 0.99
    assert np.abs(np.diff(seen.weight)).max() < 0.3
