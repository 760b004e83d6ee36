"""Which texel of a map lies on which point of the surface, and what to put where there is none."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Int32, Int64, Shaped

from backend.geometry.ray_scene import Hits, RayScene


@dataclass(frozen=True)
class Texels:
    """The texels of a square map whose centres lie inside an island."""

    size: int
    index: Int64[np.ndarray, " texel"]
    """row * size + column, rows from the top (v = 1)."""
    hits: Hits
    """Face and barycentric coordinates of each texel."""
    nearest: Int64[np.ndarray, "size size"]
    """For every place of the map, the position in `index` of the texel nearest to it."""

    def paint(self, values: Shaped[np.ndarray, "texel ..."]) -> Shaped[np.ndarray, "size size ..."]:
        """A map of these values; all the rest takes the nearest texel's, so that mip-maps stay clean."""
        return values[self.nearest]


def rasterise_texels(
    uvs: Float32[np.ndarray, "vertex 2"], faces: Int32[np.ndarray, "face 3"], size: int
) -> Texels:
    """Texel centres against the flat UV mesh."""
    flat = np.concatenate([uvs, np.zeros((len(uvs), 1), np.float32)], axis=1)
    steps = (np.arange(size, dtype=np.float32) + 0.5) / size
    u, v = np.meshgrid(steps, 1 - steps)
    origins = np.stack([u, v, np.ones_like(u)], axis=-1).reshape(-1, 3)
    directions = np.broadcast_to(np.array([0, 0, -1], np.float32), origins.shape)
    hits = RayScene(flat, faces).cast(origins, directions)
    index = np.flatnonzero(hits.hit)
    return Texels(size, index, hits[index], _nearest(hits.hit.reshape(size, size)))


def _nearest(covered: Bool[np.ndarray, "size size"]) -> Int64[np.ndarray, "size size"]:
    """For each pixel the rank, in reading order, of the nearest covered pixel."""
    _, labels = cv2.distanceTransformWithLabels(
        (~covered).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    rank_of_label = np.zeros(labels.max() + 1, dtype=np.int64)
    rank_of_label[labels[covered]] = np.arange(int(covered.sum()))
    return rank_of_label[labels]


def extend_colours(
    image: Float32[np.ndarray, "height width channel"], known: Bool[np.ndarray, "height width"]
) -> Float32[np.ndarray, "height width channel"]:
    """The image with every unknown pixel given its nearest known pixel's value."""
    return image[known][_nearest(known)]
