"""What a mesh has at the places nearest to given points."""

from __future__ import annotations

import igl
import numpy as np
from jaxtyping import Float32, Int32
from trimesh.triangles import points_to_barycentric


def interpolate_nearest(
    points: Float32[np.ndarray, "point 3"],
    vertices: Float32[np.ndarray, "vertex 3"],
    faces: Int32[np.ndarray, "face 3"],
    values: Float32[np.ndarray, "vertex channel"],
) -> Float32[np.ndarray, "point channel"]:
    """A vertex attribute at each point's nearest place on the surface."""
    corners = vertices.astype(np.float64)
    _, face, nearest = igl.point_mesh_squared_distance(
        points.astype(np.float64), corners, faces.astype(np.int64)
    )
    weights = points_to_barycentric(corners[faces[face]], nearest).clip(0, 1)
    weights /= weights.sum(axis=1, keepdims=True)
    return np.einsum("pk,pkc->pc", weights, values[faces[face]]).astype(np.float32)
