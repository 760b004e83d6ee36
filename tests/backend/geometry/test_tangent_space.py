from __future__ import annotations

import numpy as np

from backend.geometry.tangent_space import decode_normals, encode_normals, to_tangent_space, to_world_space
from backend.geometry.vertex_frames import unit

GENERATOR = np.random.default_rng(0)


def frames(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Interpolated frames: perpendicular to within some degrees, of less than unit length, both hands."""
    normals = unit(GENERATOR.normal(size=(count, 3)).astype(np.float32))
    other = unit(GENERATOR.normal(size=(count, 3)).astype(np.float32))
    tangents = unit(np.cross(normals, other)) + 0.05 * other
    hands = np.where(np.arange(count) % 2, -1, 1)[:, None]
    return normals * 0.95, np.concatenate([tangents * 0.9, hands], axis=1).astype(np.float32)


def test_the_shader_gets_back_what_was_baked() -> None:
    normals, tangents = frames(500)
    world = unit(normals + 0.5 * GENERATOR.normal(size=normals.shape).astype(np.float32))
    world = world[np.einsum("pi,pi->p", world, unit(normals)) > 0.3]
    normals, tangents = normals[: len(world)], tangents[: len(world)]
    world = unit(unit(normals) + 0.4 * unit(np.cross(world, normals)))
    baked = decode_normals(encode_normals(to_tangent_space(world, normals, tangents)))
    shaded = to_world_space(baked, normals, tangents)
    assert np.degrees(np.arccos(np.einsum("pi,pi->p", shaded, world).clip(-1, 1))).max() < 1


def test_plus_y_is_up_and_plus_x_is_right() -> None:
    normal, tangent = np.array([[0, 0, 1]], np.float32), np.array([[1, 0, 0, 1]], np.float32)
    tilted_up = unit(np.array([[0, 1, 1]], np.float32))
    assert to_tangent_space(tilted_up, normal, tangent)[0, 1] > 0.7
    assert to_tangent_space(unit(np.array([[1, 0, 1]], np.float32)), normal, tangent)[0, 0] > 0.7
    mirrored = np.array([[-1, 0, 0, -1]], np.float32)
    assert to_tangent_space(tilted_up, normal, mirrored)[0, 1] > 0.7


def test_a_normal_never_points_below_the_surface() -> None:
    normals, tangents = frames(100)
    assert to_tangent_space(-unit(normals), normals, tangents)[:, 2].min() >= 0
    below = unit(np.cross(normals, tangents[:, :3]) - 0.5 * normals)
    assert to_tangent_space(below, normals, tangents)[:, 2].min() > 0.1
