"""What a system must beat: shapes that need no learning, or nothing but an average."""

from __future__ import annotations

import numpy as np
import torch
import trimesh
from jaxtyping import Float, Float32
from scipy import ndimage
from skimage import measure

from backend.geometry.cameras import Cameras

GRID = 96
"""Voxels along the model cube for silhouettes and hulls."""


def sphere() -> Float32[np.ndarray, "face 3 3"]:
    """A unit sphere."""
    return trimesh.creation.icosphere(subdivisions=4).triangles.astype(np.float32)


def inflated_silhouette(
    mask: Float[np.ndarray, "h w"], elevation_degrees: float = 0.0
) -> Float32[np.ndarray, "face 3 3"]:
    """The reference mask given a body, symmetric in front and behind, that turns a disc into a ball.

    With d the distance to the outline and r the largest d within reach, the half thickness is
    sqrt(d (2 r - d)), a circle's. The mask's plane faces a camera at `elevation_degrees`.
    """
    flat = _square_mask(mask, GRID - 8) > 0.5
    flat = np.pad(flat, 4)
    inside, outside = ndimage.distance_transform_edt(flat), ndimage.distance_transform_edt(~flat)
    depth = np.maximum(inside - 0.5, 0)
    radius = np.maximum(_widest_within_reach(depth), depth)
    thickness = np.where(flat, np.sqrt(depth * (2 * radius - depth)), -(outside - 0.5))
    z = np.abs(np.arange(GRID) - (GRID - 1) / 2)
    # Rows run downwards; the volume is indexed x, y, z.
    volume = thickness[::-1].T[:, :, None] - z
    triangles = isosurface(volume, 0.0, -1.0, 1.0)
    angle = np.radians(elevation_degrees)
    tilt = np.array(
        [[1, 0, 0], [0, np.cos(angle), np.sin(angle)], [0, -np.sin(angle), np.cos(angle)]], np.float32
    )
    return triangles @ tilt.T


def mean_shape(occupancies: Float[np.ndarray, "n n n"]) -> Float32[np.ndarray, "face 3 3"]:
    """The average of many objects' occupancies, cut where it encloses as much as they do on average."""
    threshold = np.quantile(occupancies, 1 - occupancies.mean())
    return isosurface(np.pad(occupancies, 1), float(np.clip(threshold, 0.02, 0.98)), -1.0, 1.0)


def visual_hull(
    masks: Float[np.ndarray, "view size size"],
    cameras: Cameras,
    depths: Float[np.ndarray, "view size size"] | None = None,
) -> Float32[np.ndarray, "face 3 3"]:
    """All of the model cube that every mask allows; with depths, less what lies before the seen surface."""
    steps = torch.linspace(-0.5, 0.5, GRID)
    points = torch.stack(torch.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(-1, 3)
    lowest = torch.ones(len(points))
    for view in range(len(cameras)):
        ndc, depth = cameras[[view]].project(points)
        at = (ndc[0] * torch.tensor([1.0, -1.0]))[None, None]
        allowed = _sample(masks[view], at, "bilinear")
        if depths is not None:
            seen = _sample(depths[view], at, "nearest")
            # A ramp two voxels wide about the surface, so that the isosurface is smooth across it.
            carved = ((depth[0] - seen) * GRID / 2 + 0.5).clamp(0, 1)
            allowed = torch.where(seen > 0, torch.minimum(allowed, carved), allowed)
        lowest = torch.minimum(lowest, allowed)
    return isosurface(np.pad(lowest.reshape(GRID, GRID, GRID).numpy(), 1), 0.5, -1.0, 1.0)


def isosurface(
    volume: Float[np.ndarray, "n n n"], level: float, low: float, high: float
) -> Float32[np.ndarray, "face 3 3"]:
    """Marching cubes of a cubic grid over [low, high]^3, greater inside, wound outwards.

    Returns no triangles where the volume nowhere crosses the level.
    """
    if not volume.min() < level < volume.max():
        return np.zeros((0, 3, 3), np.float32)
    vertices, faces, _, _ = measure.marching_cubes(
        volume.astype(np.float32), level, gradient_direction="ascent"
    )
    scaled = vertices / (len(volume) - 1) * (high - low) + low
    return scaled[faces].astype(np.float32)


def _square_mask(mask: Float[np.ndarray, "h w"], size: int) -> Float[np.ndarray, "size size"]:
    """The mask's box, centred in a square, resampled so that its longest side has `size` pixels."""
    rows, columns = np.flatnonzero((mask > 0.5).any(1)), np.flatnonzero((mask > 0.5).any(0))
    box = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.float64)
    side = max(box.shape)
    square = np.zeros((side, side))
    top, left = (side - box.shape[0]) // 2, (side - box.shape[1]) // 2
    square[top : top + box.shape[0], left : left + box.shape[1]] = box
    return ndimage.zoom(square, size / side, order=1, grid_mode=True, mode="grid-constant")


def _widest_within_reach(distance: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """For each pixel the radius of the largest inscribed disc that covers it."""
    widest = distance.copy()
    ridge = (distance > 0) & (distance >= ndimage.maximum_filter(distance, 3))
    y, x = np.mgrid[: distance.shape[0], : distance.shape[1]]
    for row, column in np.argwhere(ridge):
        radius = distance[row, column]
        covered = (y - row) ** 2 + (x - column) ** 2 <= radius**2
        widest[covered] = np.maximum(widest[covered], radius)
    return widest


def _sample(
    image: Float[np.ndarray, "size size"], at: Float[torch.Tensor, "1 1 point 2"], mode: str
) -> Float[torch.Tensor, " point"]:
    plane = torch.from_numpy(np.ascontiguousarray(image, np.float32))[None, None]
    return torch.nn.functional.grid_sample(plane, at, mode=mode, align_corners=False)[0, 0, 0]
