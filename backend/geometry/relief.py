"""The solid between the first and the last surface behind each pixel of an image.

What a pair of depth maps says about an object: each pixel's column is solid from front to back. The front map
and the back map are triangulated over the pixels and joined by walls along the outline.
"""

from __future__ import annotations

import igl
import numpy as np
from jaxtyping import Bool, Float, Float32, Int64


def triangulate_relief(
    front: Float[np.ndarray, "3 h w"], back: Float[np.ndarray, "3 h w"], shown: Bool[np.ndarray, "h w"]
) -> tuple[Float[np.ndarray, "vertex 3"], Int64[np.ndarray, "face 3"]]:
    """Closed triangle mesh, counter-clockwise from outside, over the pixels `shown`.

    Three neighbours out of a square of four make a triangle, so an outline's staircase is cut. Pixels that
    are in no triangle are left out; there may be no face at all.
    """
    count = int(shown.sum())
    number = np.full(shown.shape, -1, np.int64)
    number[shown] = np.arange(count)
    # Counter-clockwise as the camera sees them: rows go down.
    corners = np.stack([number[:-1, :-1], number[1:, :-1], number[1:, 1:], number[:-1, 1:]], axis=-1)
    corners = corners.reshape(-1, 4)
    missing = corners < 0
    whole = corners[~missing.any(1)]
    faces = [whole[:, [0, 1, 2]], whole[:, [0, 2, 3]]]
    for k in range(4):
        alone = missing[:, k] & (missing.sum(1) == 1)
        faces.append(corners[alone][:, [(k + 1) % 4, (k + 2) % 4, (k + 3) % 4]])
    near = np.concatenate(faces)

    edges = np.concatenate([near[:, [0, 1]], near[:, [1, 2]], near[:, [2, 0]]])
    inner = np.isin(edges[:, 0] * count + edges[:, 1], edges[:, 1] * count + edges[:, 0])
    start, end = edges[~inner].T
    walls = [
        np.stack([end, start, start + count], axis=1),
        np.stack([end, start + count, end + count], axis=1),
    ]
    triangles = np.concatenate([near, near[:, ::-1] + count, *walls])
    vertices = np.concatenate([front[:, shown].T, back[:, shown].T])
    used, renumbered = np.unique(triangles, return_inverse=True)
    return vertices[used], renumbered.reshape(triangles.shape)


class MeshDistance:
    """The signed distance to a closed mesh that may touch or cross itself, negative inside.

    Inside is where the generalised winding number exceeds one half (Jacobson et al. 2013; fast form of Barill
    et al. 2018).
    """

    def __init__(self, vertices: Float[np.ndarray, "vertex 3"], faces: Int64[np.ndarray, "face 3"]) -> None:
        self._vertices = np.ascontiguousarray(vertices, np.float64)
        self._faces = np.ascontiguousarray(faces, np.int64)
        self._tree = igl.AABB()
        self._tree.init(self._vertices, self._faces)

    def __call__(self, points: Float[np.ndarray, "point 3"]) -> Float32[np.ndarray, " point"]:
        wanted = np.ascontiguousarray(points, np.float64)
        squared, _, _ = self._tree.squared_distance(self._vertices, self._faces, wanted)
        winding = igl.fast_winding_number(self._vertices, self._faces, wanted)
        return np.where(winding > 0.5, -1, 1).astype(np.float32) * np.sqrt(squared).astype(np.float32)
