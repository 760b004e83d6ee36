from __future__ import annotations

import numpy as np
import pytest
import trimesh

from backend.errors import EmptySurfaceError
from backend.geometry.field_queries import batched_sdf, gradient_normals
from backend.geometry.isosurface import extract_isosurface
from tests.backend.geometry.analytic_fields import AnalyticField, box, capsules, sphere, torus

FIELDS = {"sphere": sphere(), "box": box(), "torus": torus(), "capsules": capsules()}


@pytest.mark.parametrize("name", FIELDS)
def test_vertices_lie_on_the_zero_set_and_faces_look_outward(name: str) -> None:
    field = FIELDS[name]
    sdf = batched_sdf(field)
    vertices, faces = extract_isosurface(sdf, field.half_extent, resolution=64)
    cell = 2 * field.half_extent / 64
    # Linear interpolation is exact but at edges, where it cuts less than a cell's corner.
    assert np.abs(sdf(vertices)).max() < 0.5 * cell
    assert np.abs(sdf(vertices)).mean() < 0.01 * cell
    mesh = trimesh.Trimesh(vertices, faces, process=False)
    assert mesh.is_watertight
    outward = gradient_normals(sdf, mesh.triangles_center.astype(np.float32), cell / 2)
    agreement = np.einsum("fi,fi->f", outward, mesh.face_normals)
    assert np.average(agreement > 0, weights=mesh.area_faces) > 0.999


def test_sparse_refinement_gives_the_dense_surface_for_a_fraction_of_the_queries() -> None:
    queried = 0

    def count(points: int) -> None:
        nonlocal queried
        queried += points

    field = capsules()
    sparse, sparse_faces = extract_isosurface(batched_sdf(field, count), field.half_extent, 128)
    dense, dense_faces = extract_isosurface(batched_sdf(field), field.half_extent, 128, coarse_resolution=128)
    assert np.array_equal(sparse_faces, dense_faces)
    assert np.allclose(sparse, dense, atol=1e-6)
    assert queried < 0.12 * 129**3


def test_an_object_that_leaves_the_cube_is_capped() -> None:
    field = sphere(radius=0.7)
    vertices, faces = extract_isosurface(batched_sdf(field), field.half_extent, 32)
    assert trimesh.Trimesh(vertices, faces, process=False).is_watertight


def test_nothing_inside_is_an_error_with_advice() -> None:
    field = sphere(radius=-0.1)
    with pytest.raises(EmptySurfaceError, match="Try another seed"):
        extract_isosurface(batched_sdf(field), field.half_extent, 32)


def test_values_that_are_not_numbers_are_told_apart() -> None:
    field = AnalyticField(lambda p: p[:, 0] * float("nan"))
    with pytest.raises(EmptySurfaceError, match="not numbers"):
        extract_isosurface(batched_sdf(field), field.half_extent, 32)


def test_resolution_must_be_reachable_by_doubling() -> None:
    with pytest.raises(ValueError, match="power of two"):
        extract_isosurface(batched_sdf(sphere()), 0.6, resolution=100)
