"""Zero level set of a signed distance function, the grid refined only near the surface.

A cell of side c that the surface crosses has a corner within sqrt(3)/2 c of it, and its corners are at most
(3 + 3 sqrt(2) + sqrt(3)) / 8 c from it on average, so for a true distance function the cells beyond these
bounds need no finer samples. Networks are only nearly distances: a change of sign among a cell's corners
keeps it too.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float32, Int32
from skimage.measure import marching_cubes

from backend.errors import EmptySurfaceError
from backend.geometry.crumbs import without_crumbs

NEAREST_CORNER = math.sqrt(3) / 2
MEAN_OF_CORNERS = (3 + 3 * math.sqrt(2) + math.sqrt(3)) / 8

SignedDistance = Callable[[Float32[np.ndarray, "point 3"]], Float32[np.ndarray, " point"]]


def extract_isosurface(
    sdf: SignedDistance,
    half_extent: float,
    resolution: int = 128,
    coarse_resolution: int = 32,
    *,
    drop_crumbs: bool = False,
) -> tuple[Float32[np.ndarray, "vertex 3"], Int32[np.ndarray, "face 3"]]:
    """Closed triangle mesh of sdf = 0 inside [-half_extent, half_extent]^3, counter-clockwise from outside.

    Where the object leaves the cube it is capped at the cube's faces. `drop_crumbs` see `crumbs.py`. Raises
    EmptySurfaceError without a zero crossing.
    """
    grid = sample_near_surface(sdf, half_extent, resolution, coarse_resolution)
    if drop_crumbs:
        grid = without_crumbs(grid)
    cell = 2 * half_extent / (grid.shape[0] - 1)
    capped = np.pad(grid, 1, constant_values=cell)
    if not np.isfinite(grid).all():
        raise EmptySurfaceError(
            "The reconstruction gave values that are not numbers, so there is no surface. "
            "Check the pack's weights (python -m backend packs) or try another seed."
        )
    if capped.min() >= 0:
        raise EmptySurfaceError(
            "The reconstruction is empty: the field has no inside anywhere. "
            "Try another seed, or an image in which the object stands out and fills more of the frame."
        )
    vertices, faces, _, _ = marching_cubes(
        capped, level=0.0, spacing=(cell,) * 3, gradient_direction="descent", allow_degenerate=False
    )
    return (vertices - (half_extent + cell)).astype(np.float32), faces.astype(np.int32)


def sample_near_surface(
    sdf: SignedDistance, half_extent: float, resolution: int, coarse_resolution: int
) -> Float32[np.ndarray, "n n n"]:
    """The function on (resolution + 1)^3 grid points, exact near the surface and interpolated elsewhere.

    `resolution` is `coarse_resolution` times a power of two.
    """
    levels = math.log2(resolution / coarse_resolution)
    if levels < 0 or levels != int(levels):
        raise ValueError(f"resolution {resolution} is not {coarse_resolution} times a power of two")
    shape = (coarse_resolution + 1,) * 3
    everywhere = np.ones(shape, dtype=bool)
    values = sdf(_grid_points(everywhere, half_extent)).reshape(shape)
    for _ in range(int(levels)):
        cell = 2 * half_extent / (values.shape[0] - 1)
        wanted = _fine_points_of(_cells_near_surface(values, cell))
        values = _upsample(values)
        values[wanted] = sdf(_grid_points(wanted, half_extent))
    return values


def _cells_near_surface(values: Float32[np.ndarray, "n n n"], cell: float) -> Bool[np.ndarray, "m m m"]:
    """Cells whose corners differ in sign or come within the bounds of the module's docstring."""
    lowest = highest = mean = values
    nearest = np.abs(values)
    for axis in range(3):
        low = tuple(slice(None, -1) if a == axis else slice(None) for a in range(3))
        high = tuple(slice(1, None) if a == axis else slice(None) for a in range(3))
        lowest = np.minimum(lowest[low], lowest[high])
        highest = np.maximum(highest[low], highest[high])
        nearest = np.minimum(nearest[low], nearest[high])
        mean = (mean[low] + mean[high]) / 2
    close = (nearest < NEAREST_CORNER * cell) & (np.abs(mean) < MEAN_OF_CORNERS * cell)
    return close | ((lowest < 0) & (highest >= 0))


def _fine_points_of(cells: Bool[np.ndarray, "m m m"]) -> Bool[np.ndarray, "f f f"]:
    """Points of the grid of half the spacing that lie on these cells and not on the coarse grid."""
    fine = np.zeros(tuple(2 * side + 1 for side in cells.shape), dtype=bool)
    count = 2 * cells.shape[0]
    for offset in np.ndindex(3, 3, 3):
        fine[tuple(slice(o, o + count, 2) for o in offset)] |= cells
    fine[::2, ::2, ::2] = False
    return fine


def _upsample(values: Float32[np.ndarray, "n n n"]) -> Float32[np.ndarray, "f f f"]:
    """Linear interpolation to half the spacing; keeps every sign, so it adds no surface."""
    for axis in range(3):
        moved = np.moveaxis(values, axis, 0)
        fine = np.empty((2 * moved.shape[0] - 1, *moved.shape[1:]), dtype=values.dtype)
        fine[::2] = moved
        fine[1::2] = (moved[1:] + moved[:-1]) / 2
        values = np.moveaxis(fine, 0, axis)
    return np.ascontiguousarray(values)


def _grid_points(mask: Bool[np.ndarray, "n n n"], half_extent: float) -> Float32[np.ndarray, "point 3"]:
    scale = 2 * half_extent / (mask.shape[0] - 1)
    return (np.argwhere(mask) * scale - half_extent).astype(np.float32)
