"""Noise taken out of a surface while its creases stay.

Source: Zheng, Fu, Au and Tai, "Bilateral normal filtering for mesh denoising" (IEEE TVCG 2011), the local
scheme: face normals are averaged over the faces around, those that differ much counting little; then the
vertices follow (`follow_normals.py`).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Int64
from scipy.sparse import coo_array

from backend.geometry.follow_normals import follow_normals
from backend.geometry.mesh_cleaning import Faces, Vertices, face_areas, signed_volumes
from backend.geometry.vertex_frames import vertex_normals

CREASE = 0.35
"""Difference of unit normals (about radians) at which a neighbour's weight has fallen to exp(-1/2)."""
ROUNDS, ROUNDS_AT = 8, 10_000
"""Rounds of averaging for a mesh of so many faces; as many more as it has, so that they reach as far."""
MOST_ROUNDS = 60


def denoise(vertices: Vertices, faces: Faces) -> Vertices:
    """The vertices of a closed mesh moved, by at most `follow_normals.MOST_MOVED`, then all alike along their
    normals by what gives the mesh its volume back."""
    rounds = round(ROUNDS * len(faces) / ROUNDS_AT)
    wanted = filter_normals(vertices, faces, min(max(rounds, 1), MOST_ROUNDS))
    moved = follow_normals(vertices, faces, wanted)
    lost = signed_volumes(vertices, faces).sum() - signed_volumes(moved, faces).sum()
    return moved + np.float32(lost / face_areas(moved, faces).sum()) * vertex_normals(moved, faces)


def filter_normals(vertices: Vertices, faces: Faces, rounds: int) -> Float32[np.ndarray, "face 3"]:
    """Unit normals, each round a mean over the faces that share a vertex, itself among them.

    Weights are the neighbour's area and Gaussians of the distance of the middles (deviation: its mean over
    the mesh) and of the difference of the normals.
    """
    triangles = vertices[faces].astype(np.float64)
    normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    areas = np.linalg.norm(normals, axis=1)
    normals /= np.maximum(areas, 1e-12)[:, None]
    middles = triangles.mean(axis=1)
    face, neighbour = _neighbours(faces)
    squared = ((middles[face] - middles[neighbour]) ** 2).sum(axis=1)
    reach = np.sqrt(squared[face != neighbour]).mean()
    fixed = areas[neighbour] * np.exp(-squared / (2 * reach**2))
    for _ in range(rounds):
        differing = ((normals[face] - normals[neighbour]) ** 2).sum(axis=1)
        weights = fixed * np.exp(-differing / (2 * CREASE**2))
        total = np.stack(
            [np.bincount(face, weights * normals[neighbour, k], len(faces)) for k in range(3)], axis=1
        )
        normals = total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)
    return normals.astype(np.float32)


def _neighbours(faces: Faces) -> tuple[Int64[np.ndarray, " pair"], Int64[np.ndarray, " pair"]]:
    """Pairs of faces that share a vertex, each face with itself among them."""
    count = len(faces)
    entries = np.ones(3 * count, dtype=np.int8), (np.repeat(np.arange(count), 3), faces.ravel())
    incidence = coo_array(entries, shape=(count, int(faces.max()) + 1)).tocsr()
    pairs = (incidence @ incidence.T).tocoo()
    return pairs.row.astype(np.int64), pairs.col.astype(np.int64)
