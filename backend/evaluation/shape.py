"""A mesh as the metrics see it: in the unit box, as surface points with normals and as occupied voxels."""

from __future__ import annotations

from dataclasses import dataclass

import igl
import numpy as np
from jaxtyping import Bool, Float, Float32, Int64
from scipy import ndimage

POINTS = 100_000
RESOLUTION = 64
"""Voxels along the unit box."""
MARGIN = 4
"""Voxels around the unit box, so that an aligned mesh that sticks out of it is counted there as well."""
_SIDE = RESOLUTION + 2 * MARGIN
_BLOCK = 4


@dataclass(frozen=True)
class Shape:
    """Triangles and what the metrics measure on them."""

    triangles: Float32[np.ndarray, "face 3 3"]
    points: Float32[np.ndarray, "point 3"]
    """Uniform by area."""
    normals: Float32[np.ndarray, "point 3"]
    """Of the faces, by their winding."""
    occupancy: Bool[np.ndarray, "side side side"]
    """Voxels of 1 / RESOLUTION; RESOLUTION + 2 * MARGIN a side, indexed x, y, z."""

    def transformed(self, linear: Float[np.ndarray, "3 3"], offset: Float[np.ndarray, " 3"]) -> Shape:
        """x -> linear @ x + offset for a rotation with scale; the same points, the voxels computed anew."""
        scale = np.cbrt(np.linalg.det(linear))
        triangles = (self.triangles @ linear.T + offset).astype(np.float32)
        points = (self.points @ linear.T + offset).astype(np.float32)
        normals = (self.normals @ linear.T / scale).astype(np.float32)
        return Shape(triangles, points, normals, occupied_voxels(triangles, points))


def shape_in_unit_box(triangles: Float32[np.ndarray, "face 3 3"], points: int = POINTS) -> Shape:
    """Centre the bounding box, scale its longest side to 1, sample the surface (repeatably).

    Raises:
        ValueError: there is no surface: no triangles, or none with an area.
    """
    corners = triangles.reshape(-1, 3).astype(np.float64)
    if not len(corners) or not np.isfinite(corners).all():
        raise ValueError("no finite triangles to measure")
    low, high = corners.min(0), corners.max(0)
    boxed = ((triangles - (low + high) / 2) / max(float((high - low).max()), 1e-12)).astype(np.float32)
    sampled, normals = sample_surface(boxed, points, np.random.default_rng(0))
    return Shape(boxed, sampled, normals, occupied_voxels(boxed, sampled))


def sample_surface(
    triangles: Float32[np.ndarray, "face 3 3"], count: int, rng: np.random.Generator
) -> tuple[Float32[np.ndarray, "point 3"], Float32[np.ndarray, "point 3"]]:
    """Points uniform by area with their faces' unit normals. Raises ValueError where there is no area."""
    face, weights = place_points(triangles, count, rng)
    points = np.einsum("pc,pcd->pd", weights, triangles[face])
    cross = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    normals = cross / np.linalg.norm(cross, axis=1, keepdims=True).clip(1e-20)
    return points, normals[face].astype(np.float32)


def place_points(
    triangles: Float32[np.ndarray, "face 3 3"], count: int, rng: np.random.Generator
) -> tuple[Int64[np.ndarray, " point"], Float32[np.ndarray, "point 3"]]:
    """Face and barycentric coordinates of points uniform by area, stratified along the cumulative area.

    Raises:
        ValueError: the triangles have no area.
    """
    edges = (triangles[:, 1:] - triangles[:, :1]).astype(np.float64)
    area = np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=1)
    if not area.sum() > 0:
        raise ValueError("triangles without area")
    cumulative = np.cumsum(area) / area.sum()
    face = np.searchsorted(cumulative, (np.arange(count) + rng.random(count)) / count).clip(0, len(area) - 1)
    u, v = rng.random(count, np.float32), rng.random(count, np.float32)
    folded = u + v > 1
    u, v = np.where(folded, 1 - u, u), np.where(folded, 1 - v, v)
    return face, np.stack([1 - u - v, u, v], axis=1)


def occupied_voxels(
    triangles: Float32[np.ndarray, "face 3 3"], points: Float32[np.ndarray, "point 3"]
) -> Bool[np.ndarray, "side side side"]:
    """Solid voxels of a triangle soup that need not be watertight.

    A voxel is solid where the generalised winding number at its centre exceeds one half in magnitude
    (Jacobson et al. 2013; fast form of Barill et al. 2018), whichever way the faces were stored. Sheets and
    rods thinner than a voxel would vanish: voxels that hold surface points and have no solid voxel around
    them are solid too. Away from the surface the winding number hardly changes and is asked for once per
    block of 4^3 voxels.
    """
    index = np.floor((points + 0.5) * RESOLUTION).astype(np.int64) + MARGIN
    index = index[((index >= 0) & (index < _SIDE)).all(1)]
    surface = np.zeros((_SIDE,) * 3, bool)
    surface[tuple(index.T)] = True

    blocks = _SIDE // _BLOCK
    touched = ndimage.maximum_filter(surface, 3).reshape(blocks, _BLOCK, blocks, _BLOCK, blocks, _BLOCK)
    near = touched.any(axis=(1, 3, 5))
    solid = np.zeros((_SIDE,) * 3, bool)
    corners = triangles.reshape(-1, 3).astype(np.float64)
    faces = np.arange(len(corners), dtype=np.int64).reshape(-1, 3)

    far_index = np.argwhere(_within_box(near))
    far_index = far_index[~near[tuple(far_index.T)]]
    if len(far_index):
        inside = _is_inside(corners, faces, far_index * _BLOCK + (_BLOCK - 1) / 2)
        whole = np.zeros((blocks,) * 3, bool)
        whole[tuple(far_index[inside].T)] = True
        solid = whole.repeat(_BLOCK, 0).repeat(_BLOCK, 1).repeat(_BLOCK, 2)
    fine = np.argwhere(near.repeat(_BLOCK, 0).repeat(_BLOCK, 1).repeat(_BLOCK, 2))
    solid[tuple(fine.T)] = _is_inside(corners, faces, fine)
    return solid | (surface & ~ndimage.maximum_filter(solid, 3))


def _within_box(mask: Bool[np.ndarray, "n n n"]) -> Bool[np.ndarray, "n n n"]:
    """The bounding box of a mask: beyond it nothing is inside."""
    box = np.zeros_like(mask)
    if mask.any():
        box[ndimage.find_objects(mask.astype(np.int8))[0]] = True
    return box


def _is_inside(
    corners: Float[np.ndarray, "corner 3"], faces: np.ndarray, voxels: Float[np.ndarray, "query 3"]
) -> Bool[np.ndarray, " query"]:
    centres = (voxels - MARGIN + 0.5) / RESOLUTION - 0.5
    return np.abs(igl.fast_winding_number(corners, faces, np.ascontiguousarray(centres, np.float64))) > 0.5
