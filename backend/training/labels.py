"""Signed distances of real-world triangle soups, and the points at which a reconstructor is supervised.

Game assets are rarely watertight: parts interpenetrate, floors are missing, leaves are single sheets. The
sign is that of the generalised winding number (Jacobson et al. 2013; fast form of Barill et al. 2018,
libigl), and whatever is thinner than the shell counts as solid, so that single sheets get a body.
"""

from __future__ import annotations

from dataclasses import dataclass

import igl
import numpy as np
from jaxtyping import Float32

from backend.training.assets import Model, SurfaceSamples

SHELL = 0.006
"""Half thickness given to sheets, in units of the model frame (bounding sphere radius 0.5)."""


@dataclass(frozen=True)
class Supervision:
    """Points with their signed distances, and surface points with their materials."""

    points: Float32[np.ndarray, "point 3"]
    sdf: Float32[np.ndarray, " point"]
    surface: SurfaceSamples


def signed_distance(
    model: Model, points: Float32[np.ndarray, "point 3"], shell: float = SHELL
) -> Float32[np.ndarray, " point"]:
    """Negative inside. Distance to the triangles, less `shell` outside; at least `shell` deep inside."""
    corners = model.triangles.reshape(-1, 3).astype(np.float64)
    faces = np.arange(len(corners), dtype=np.int64).reshape(-1, 3)
    queries = points.astype(np.float64)
    squared = igl.point_mesh_squared_distance(queries, corners, faces)[0]
    winding = igl.fast_winding_number(corners, faces, queries)
    distance = np.sqrt(squared)
    # Winding near -1 is a solid whose faces were stored inside out.
    inside = np.abs(winding) > 0.5
    return np.where(inside, -distance - shell, distance - shell).astype(np.float32)


def supervise(model: Model, points: int, surface: int, rng: np.random.Generator) -> Supervision:
    """Half of the points within sigma 0.015 of the surface, a quarter within 0.05, a quarter uniform."""
    on_surface = model.sample_surface(points * 3 // 4, rng).points
    sigma = np.where(np.arange(len(on_surface)) % 3 < 2, 0.015, 0.05)[:, None]
    near = on_surface + rng.normal(0, 1, on_surface.shape) * sigma
    uniform = rng.uniform(-0.5, 0.5, (points - len(near), 3))
    queries = np.concatenate([near, uniform]).astype(np.float32)
    return Supervision(queries, signed_distance(model, queries), model.sample_surface(surface, rng))
