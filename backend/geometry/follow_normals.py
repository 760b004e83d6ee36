"""A mesh bent so that its faces turn to given normals.

Source: Sun, Rosin, Martin and Langbein, "Fast and effective feature-preserving mesh denoising" (IEEE TVCG
2007), the vertex update: each vertex moves towards the planes through its faces' middles across their wanted
normals. Faces whose wanted normal is their own stay.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Int32

ROUNDS = 20
MOST_MOVED = 0.01
"""How far a vertex may go in all, in the mesh's unit."""


def follow_normals(
    vertices: Float32[np.ndarray, "vertex 3"],
    faces: Int32[np.ndarray, "face 3"],
    wanted: Float32[np.ndarray, "face 3"],
) -> Float32[np.ndarray, "vertex 3"]:
    """The vertices moved; `wanted` are unit normals, outward."""
    moved = vertices.astype(np.float64)
    corners = faces.ravel()
    count = np.maximum(np.bincount(corners, minlength=len(vertices)), 1)[:, None]
    for _ in range(ROUNDS):
        triangles = moved[faces]
        to_middle = triangles.mean(axis=1, keepdims=True) - triangles
        steps = wanted[:, None] * np.einsum("fki,fi->fk", to_middle, wanted)[..., None]
        flat = steps.reshape(-1, 3)
        total = np.stack([np.bincount(corners, flat[:, k], len(vertices)) for k in range(3)], axis=1)
        moved += total / count
        way = moved - vertices
        length = np.linalg.norm(way, axis=1, keepdims=True)
        moved = vertices + way * np.minimum(1, MOST_MOVED / np.maximum(length, 1e-12))
    return moved.astype(np.float32)
