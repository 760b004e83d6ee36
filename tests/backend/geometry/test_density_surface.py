from __future__ import annotations

import numpy as np
import pytest
import trimesh

from backend.errors import EmptySurfaceError
from backend.geometry.density_surface import AXES, TORCHMCUBES_AXES, density_surface


def ellipsoid(
    n: int = 25, radii: tuple[float, float, float] = (0.6, 0.4, 0.3), shift: float = 0.0
) -> np.ndarray:
    """Density that grows exponentially inwards and is 1 on the surface, over [-0.87, 0.87]^3."""
    ticks = np.linspace(-0.87, 0.87, n, dtype=np.float32)
    x, y, z = np.meshgrid(ticks - np.float32(shift), ticks, ticks, indexing="ij")
    distance = np.sqrt((x / radii[0]) ** 2 + (y / radii[1]) ** 2 + (z / radii[2]) ** 2) - 1
    return np.exp(-4 * distance).astype(np.float32)


@pytest.mark.parametrize("axes", [AXES, TORCHMCUBES_AXES])
def test_an_ellipsoid_keeps_its_axes_and_faces_outward(axes: tuple[int, int, int]) -> None:
    vertices, faces = density_surface(ellipsoid(41), 1.0, 0.87, axes)
    mesh = trimesh.Trimesh(vertices, faces, process=False)
    assert mesh.is_watertight
    assert mesh.volume == pytest.approx(4 / 3 * np.pi * 0.6 * 0.4 * 0.3, rel=0.02)
    assert mesh.bounds[1] == pytest.approx([0.6, 0.4, 0.3], abs=0.01)


def test_an_object_that_leaves_the_cube_is_capped() -> None:
    density = ellipsoid(shift=0.5)
    closed = trimesh.Trimesh(*density_surface(density, 1.0, 0.87), process=False)
    opened = trimesh.Trimesh(*density_surface(density, 1.0, 0.87, capped=False), process=False)
    assert closed.is_watertight
    assert not opened.is_watertight
    cell = 2 * 0.87 / 24
    assert 0.87 <= closed.bounds[1, 0] <= 0.87 + cell
    assert opened.bounds[1, 0] == pytest.approx(0.87)


@pytest.mark.parametrize("threshold", [1e-9, 1e9])
def test_one_sided_densities_have_no_surface(threshold: float) -> None:
    with pytest.raises(EmptySurfaceError, match="everywhere"):
        density_surface(ellipsoid(), threshold, 0.87)


def test_numbers_must_be_numbers() -> None:
    density = ellipsoid()
    density[3, 3, 3] = np.nan
    with pytest.raises(EmptySurfaceError, match="not numbers"):
        density_surface(density, 1.0, 0.87)
