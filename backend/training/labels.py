"""Signed distances of real-world triangle soups, and the points at which a reconstructor is supervised.

Game assets are rarely watertight: parts interpenetrate, floors are missing, leaves are single sheets, some
faces are there twice or inside out. Inside is where the generalised winding number says so (Jacobson et al.
2013; fast form of Barill et al. 2018, libigl), and what cannot be seen from outside, whichever way its faces
look. Whatever is thinner than the shell counts as solid, so that single sheets get a body. Faces that nobody
can see give neither distances nor surface points: no image tells where they are.

Procedural shapes are closed exactly, which one ray a point decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import igl
import numpy as np
from jaxtyping import Bool, Float32

from backend.geometry.ray_scene import RayScene
from backend.training.assets import Model, SurfaceSamples

SHELL = 0.006
"""Half thickness given to sheets, in units of the model frame (bounding sphere radius 0.5)."""
_DIRECTIONS, _ESCAPES = 128, 2
"""A point sees the outside when this many of so many rays meet nothing: cracks between faces do not count."""
_FACE_DIRECTIONS = 40
"""Fewer for faces: one that is seen through a narrower gap is no loss."""
_LIFT = 0.001
"""How far from a face its visibility is tested, on both sides."""

_R2 = np.array([0.7548776662466927, 0.5698402909980532])
"""Powers of the inverse of the plastic number."""


@dataclass(frozen=True)
class Supervision:
    """Points with their signed distances, and surface points with their materials."""

    points: Float32[np.ndarray, "point 3"]
    sdf: Float32[np.ndarray, " point"]
    surface: SurfaceSamples


def supervise(model: Model, points: int, surface: int, rng: np.random.Generator) -> Supervision:
    """Half of the points within sigma 0.015 of the surface, a quarter within 0.05, a quarter uniform."""
    seen = visible_surface(model)
    on_surface = seen.sample_surface(points * 3 // 4, rng).points
    sigma = np.where(np.arange(len(on_surface)) % 3 < 2, 0.015, 0.05)[:, None]
    near = on_surface + rng.normal(0, 1, on_surface.shape) * sigma
    uniform = rng.uniform(-0.5, 0.5, (points - len(near), 3))
    queries = np.concatenate([near, uniform]).astype(np.float32)
    distance = _signed(_distance(seen, queries), is_inside(model, queries), SHELL)
    return Supervision(queries, distance, seen.sample_surface(surface, rng))


def signed_distance(
    model: Model, points: Float32[np.ndarray, "point 3"], shell: float = SHELL
) -> Float32[np.ndarray, " point"]:
    """Negative inside. Distance to what can be seen, less `shell` outside; at least `shell` deep inside."""
    return _signed(_distance(visible_surface(model), points), is_inside(model, points), shell)


def is_inside(model: Model, points: Float32[np.ndarray, "point 3"]) -> Bool[np.ndarray, " point"]:
    """Within the model's solid, sheets aside."""
    corners, faces = _soup(model)
    scene = RayScene(corners, faces)
    if model.closed:
        return _meets_its_back(scene, model.triangles, points)
    # Winding near -1 is a solid whose faces were stored inside out.
    winding = igl.fast_winding_number(
        corners.astype(np.float64), faces.astype(np.int64), points.astype(np.float64)
    )
    inside = np.abs(winding) > 0.5
    inside[~inside] = ~_sees_outside(scene, points[~inside])
    return inside


def visible_surface(model: Model) -> Model:
    """The model without the faces that are seen from nowhere outside, on neither side."""
    if model.closed:
        return model
    triangles = model.triangles
    cross = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    normals = cross / np.linalg.norm(cross, axis=1, keepdims=True).clip(1e-12)
    # The middle, and three points near the corners.
    weights = np.array([[1 / 3, 1 / 3, 1 / 3], [0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]])
    tested = np.einsum("sc,fcd->fsd", weights, triangles)
    both = np.stack([tested + _LIFT * normals[:, None], tested - _LIFT * normals[:, None]], axis=2)
    scene = RayScene(*_soup(model))
    points = both.reshape(-1, 3).astype(np.float32)
    seen = _sees_outside(scene, points, _FACE_DIRECTIONS).reshape(len(triangles), -1).max(axis=1)
    # Nothing to be seen at all is a model smaller than the lift; it stays whole.
    return model.keeping(seen) if seen.any() else model


def _distance(model: Model, points: np.ndarray) -> np.ndarray:
    corners, faces = _soup(model)
    squared = igl.point_mesh_squared_distance(
        points.astype(np.float64), corners.astype(np.float64), faces.astype(np.int64)
    )[0]
    return np.sqrt(squared)


def _signed(distance: np.ndarray, inside: np.ndarray, shell: float) -> Float32[np.ndarray, " point"]:
    return np.where(inside, -distance - shell, distance - shell).astype(np.float32)


def _soup(model: Model) -> tuple[np.ndarray, np.ndarray]:
    corners = model.triangles.reshape(-1, 3)
    return corners, np.arange(len(corners), dtype=np.int32).reshape(-1, 3)


def _sees_outside(
    scene: RayScene, points: Float32[np.ndarray, "point 3"], rays: int = _DIRECTIONS
) -> Bool[np.ndarray, " point"]:
    escapes = np.zeros(len(points), dtype=np.int64)
    undecided = np.arange(len(points))
    for direction in _directions()[:rays]:
        blocked = scene.occluded(points[undecided], np.broadcast_to(direction, (len(undecided), 3)))
        escapes[undecided] += ~blocked
        undecided = undecided[escapes[undecided] < _ESCAPES]
        if len(undecided) == 0:
            break
    return escapes >= _ESCAPES


def _meets_its_back(
    scene: RayScene, triangles: np.ndarray, points: Float32[np.ndarray, "point 3"]
) -> Bool[np.ndarray, " point"]:
    """Whether most of three rays first meet a face from behind."""
    cross = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    votes = np.zeros(len(points), dtype=np.int64)
    for direction in _directions()[:3]:
        hits = scene.cast(points, np.broadcast_to(direction, points.shape))
        votes += hits.hit & (cross[hits.face] @ direction > 0)
    return votes >= 2


@cache
def _directions() -> Float32[np.ndarray, "128 3"]:
    """Spread over the sphere so evenly that any first few are spread as well (Roberts' R2 sequence, 2018)."""
    share = (np.arange(_DIRECTIONS)[:, None] * _R2 + 0.5) % 1
    height, azimuth = 1 - 2 * share[:, 0], 2 * np.pi * share[:, 1]
    flat = np.sqrt(1 - height**2)
    return np.stack([flat * np.cos(azimuth), height, flat * np.sin(azimuth)], axis=1).astype(np.float32)
