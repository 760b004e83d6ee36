from __future__ import annotations

import numpy as np
import pytest
import trimesh

from backend.geometry.holes import boundary_edges, close_holes


def sphere_without(*centres: int, rings: int) -> trimesh.Trimesh:
    """A unit sphere that lacks all faces within `rings` steps of some vertices."""
    sphere = trimesh.creation.icosphere(3)
    gone = np.isin(np.arange(len(sphere.vertices)), centres)
    for _ in range(rings):
        taken = gone[sphere.faces].any(axis=1)
        gone[sphere.faces[taken]] = True
    sphere.update_faces(~taken)
    return sphere


def closed(mesh: trimesh.Trimesh, most_edges: int = 200) -> trimesh.Trimesh:
    vertices, faces = close_holes(mesh.vertices.astype(np.float32), mesh.faces.astype(np.int32), most_edges)
    return trimesh.Trimesh(vertices, faces, process=False)


@pytest.mark.parametrize("rings", [1, 2])
def test_holes_are_closed_outward(rings: int) -> None:
    whole, holed = trimesh.creation.icosphere(3), sphere_without(0, 6, rings=rings)
    mended = closed(holed)
    assert mended.is_watertight
    assert mended.is_winding_consistent
    assert mended.euler_number == 2
    assert len(mended.vertices) == len(holed.vertices) + 2
    assert 0.97 * whole.volume < mended.volume < whole.volume
    assert (mended.face_normals * mended.triangles_center).sum(axis=1).min() > 0


def test_a_missing_triangle_becomes_one_face() -> None:
    whole = trimesh.creation.icosphere(2)
    holed = whole.copy()
    holed.update_faces(np.arange(len(whole.faces)) != 17)
    mended = closed(holed)
    assert len(mended.vertices) == len(whole.vertices)
    assert mended.is_watertight
    assert mended.volume == pytest.approx(whole.volume)


def test_large_holes_stay_open() -> None:
    holed = sphere_without(0, rings=2)
    edges = len(boundary_edges(holed.faces.astype(np.int32)))
    assert closed(holed, edges).is_watertight
    assert len(closed(holed, edges - 1).faces) == len(holed.faces)


def test_holes_that_touch_stay_open() -> None:
    """A fan over both would meet itself at the vertex that they share."""
    sphere = trimesh.creation.icosphere(2)
    around = np.flatnonzero((sphere.faces == 100).any(axis=1))
    opposite = next(
        f for f in around[1:] if len(np.intersect1d(sphere.faces[f], sphere.faces[around[0]])) == 1
    )
    sphere.update_faces(~np.isin(np.arange(len(sphere.faces)), [around[0], opposite]))
    assert len(closed(sphere).faces) == len(sphere.faces)


def test_what_is_closed_stays_as_it_is() -> None:
    sphere = trimesh.creation.icosphere(2)
    vertices, faces = sphere.vertices.astype(np.float32), sphere.faces.astype(np.int32)
    same_vertices, same_faces = close_holes(vertices, faces, 200)
    assert same_vertices is vertices
    assert same_faces is faces
