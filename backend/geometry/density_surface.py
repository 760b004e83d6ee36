"""Level set of a density on a grid, by the marching cubes of the original programs.

OpenLRM meshes with PyMCubes, TripoSR with torchmcubes: the same public tables (Lorensen and Cline, SIGGRAPH
1987, as tabulated by Bourke), which leave ambiguous cells to the order of the axes. The meshes are therefore
the originals' triangle for triangle only if the axes are taken in their order.
"""

from __future__ import annotations

import mcubes
import numpy as np
from jaxtyping import Float32, Int32

from backend.errors import EmptySurfaceError

AXES = (0, 1, 2)
"""The axes as they are: PyMCubes' own reading of a grid."""
TORCHMCUBES_AXES = (2, 0, 1)
"""torchmcubes' reading: the last axis first."""


def density_surface(
    density: Float32[np.ndarray, "n n n"],
    threshold: float,
    half_extent: float,
    axes: tuple[int, int, int] = AXES,
    *,
    capped: bool = True,
) -> tuple[Float32[np.ndarray, "vertex 3"], Int32[np.ndarray, "face 3"]]:
    """Triangles of density = threshold, counter-clockwise seen from where it is thinner.

    The grid's vertices, indexed [x, y, z], span [-half_extent, half_extent]^3. `axes` is an even permutation:
    the order in which the tables take the axes. Where the object leaves the cube it is `capped` at most one
    cell beyond, or left open as the originals leave it.

    Raises EmptySurfaceError if the density crosses the threshold nowhere.
    """
    if not np.isfinite(density).all():
        raise EmptySurfaceError(
            "The reconstruction gave values that are not numbers, so there is no surface. "
            "Check the pack's weights: python -m backend packs verify."
        )
    if not density.min() < threshold < density.max():
        side = "thinner" if density.max() <= threshold else "denser"
        raise EmptySurfaceError(
            f"The reconstruction is empty: everywhere {side} than the surface's density {threshold:g}. "
            "Try an image in which the object stands out and fills more of the frame."
        )
    cell = 2 * half_extent / (len(density) - 1)
    grid = np.pad(density, 1) if capped else density
    vertices, faces = mcubes.marching_cubes(np.ascontiguousarray(grid.transpose(axes)), threshold)
    first = -half_extent - cell if capped else -half_extent
    return (
        (vertices[:, np.argsort(axes)] * cell + first).astype(np.float32),
        faces.astype(np.int32),
    )
