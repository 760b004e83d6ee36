"""Charts for UVs by projection along the axes: for meshes too large to be segmented by distortion.

A face belongs to the axis that it faces most, unless its neighbours agree on another that it also faces; each
connected patch of one axis is projected along it. No face is stretched more than 1 / FACING times. A patch
that winds over itself, like a spiral stair, is taken apart into layers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int32, Int64
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from backend.geometry.ray_scene import RayScene
from backend.geometry.vertex_frames import unit

FACING = 0.4
"""Least cosine between a face's normal and the axis that it is projected along: a face at equal angles to
all three has 0.58."""
NEIGHBOUR_WEIGHT = 0.15
"""Of each neighbour's axis beside the cosine of the face's own."""
ROUNDS = 8
"""Of the neighbours' vote, then of dissolving small patches; each moves a border by a face."""
SMALL_PATCH = 64
"""Faces; smaller patches go to their neighbours where these face the same way."""
LEAST_AREA = 1e-4
"""Of a face beside the mean, for its normal to be believed."""
MOST_LAYERS = 16
NEAR_CORNER = 0.9
"""Barycentric coordinate of the points of a face, beside its middle, at which overlaps are looked for."""

PLANES = ((1, 2), (2, 1), (2, 0), (0, 2), (0, 1), (1, 0))
"""Coordinates taken as u and v for +x, -x, +y, -y, +z, -z: such that a face keeps its turn."""


@dataclass(frozen=True)
class Charts:
    """A mesh cut into patches that each lie flat, side by side and not yet packed."""

    source_vertex: Int32[np.ndarray, " vertex"]
    """Vertex of the uncut mesh."""
    faces: Int32[np.ndarray, "face 3"]
    """The uncut mesh's, in its order."""
    uvs: Float32[np.ndarray, "vertex 2"]
    """In the mesh's own unit."""


def project_charts(vertices: Float32[np.ndarray, "vertex 3"], faces: Int32[np.ndarray, "face 3"]) -> Charts:
    """Cut a triangle mesh into projected patches; flat faces (without area) may come out turned."""
    pairs = _neighbours(faces)
    axis = _axes(vertices, faces, pairs)
    layer = np.zeros(len(faces), np.int64)
    for _ in range(MOST_LAYERS):
        charts = _cut(vertices, faces, axis, _patches(axis * MOST_LAYERS + layer, pairs))
        covered = _covered(charts, vertices, axis)
        if not covered.any():
            break
        layer[covered] += 1
    return charts


def _neighbours(faces: Int32[np.ndarray, "face 3"]) -> Int64[np.ndarray, "pair 2"]:
    """Faces that share an edge; where more than two do, each with the next."""
    edges = np.sort(np.stack([faces, np.roll(faces, -1, axis=1)], axis=-1).reshape(-1, 2), axis=1)
    keys = edges[:, 0].astype(np.int64) * (int(faces.max()) + 1) + edges[:, 1]
    order = np.argsort(keys, kind="stable")
    same = keys[order[1:]] == keys[order[:-1]]
    return np.stack([order[:-1][same], order[1:][same]], axis=1) // 3


def _axes(
    vertices: Float32[np.ndarray, "vertex 3"],
    faces: Int32[np.ndarray, "face 3"],
    pairs: Int64[np.ndarray, "pair 2"],
) -> Int64[np.ndarray, " face"]:
    """Index into PLANES of the axis that each face is projected along."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    across = np.cross(b - a, c - a)
    areas = np.linalg.norm(across, axis=1)
    across[areas < LEAST_AREA * areas.mean()] = 0  # a sliver faces nowhere, and goes with its neighbours
    normals = unit(across)
    cosines = np.stack([normals, -normals], axis=-1).reshape(len(faces), 6)
    allowed = cosines >= FACING
    allowed[~allowed.any(axis=1)] = True
    axis = cosines.argmax(axis=1)
    one, other = np.concatenate([pairs, pairs[:, ::-1]]).T
    for _ in range(ROUNDS):
        votes = np.bincount(one * 6 + axis[other], minlength=6 * len(faces)).reshape(-1, 6)
        axis = np.where(allowed, cosines + NEIGHBOUR_WEIGHT * votes, -1).argmax(axis=1)
    for _ in range(ROUNDS):
        patch = _patches(axis, pairs)
        small = np.bincount(patch)[patch] < SMALL_PATCH
        if not small.any():
            break
        asked = small[one] & ~small[other]
        votes = np.bincount((one * 6 + axis[other])[asked], minlength=6 * len(faces)).reshape(-1, 6)
        possible = allowed & (votes > 0)
        moved = possible.any(axis=1)
        axis[moved] = np.where(possible, votes + cosines, -1).argmax(axis=1)[moved]
    return axis


def _patches(
    kind: Int64[np.ndarray, " face"], pairs: Int64[np.ndarray, "pair 2"]
) -> Int32[np.ndarray, " face"]:
    """Number of the connected patch of one kind that each face belongs to."""
    inner = pairs[kind[pairs[:, 0]] == kind[pairs[:, 1]]]
    graph = coo_array((np.ones(len(inner), bool), (inner[:, 0], inner[:, 1])), shape=(len(kind),) * 2)
    return connected_components(graph, directed=False)[1]


def _cut(
    vertices: Float32[np.ndarray, "vertex 3"],
    faces: Int32[np.ndarray, "face 3"],
    axis: Int64[np.ndarray, " face"],
    patch: Int32[np.ndarray, " face"],
) -> Charts:
    """Vertices split between patches, and each patch projected into a square of its own."""
    keys = patch[:, None].astype(np.int64) * len(vertices) + faces
    unique, cut_faces = np.unique(keys, return_inverse=True)
    cut_faces = cut_faces.reshape(faces.shape)
    patch_of, source = np.divmod(unique, len(vertices))
    axis_of_patch = np.zeros(int(patch.max()) + 1, np.int64)
    axis_of_patch[patch] = axis
    taken = np.array(PLANES)[axis_of_patch[patch_of]]
    uvs = np.take_along_axis(vertices[source], taken, axis=1)
    uvs -= uvs.min(axis=0)
    columns = int(np.ceil(np.sqrt(len(axis_of_patch))))
    side = 1.01 * float(uvs.max())
    uvs += side * np.stack(np.divmod(patch_of, columns), axis=1)
    return Charts(source.astype(np.int32), cut_faces.astype(np.int32), uvs.astype(np.float32))


def _covered(
    charts: Charts, vertices: Float32[np.ndarray, "vertex 3"], axis: Int64[np.ndarray, " face"]
) -> Bool[np.ndarray, " face"]:
    """Faces over whose middle or corners another face of their patch lies in the projection."""
    axis_of = np.zeros(len(charts.source_vertex), np.int64)
    axis_of[charts.faces] = axis[:, None]
    height = vertices[charts.source_vertex, axis_of // 2] * np.where(axis_of % 2, -1, 1)
    standing = np.concatenate([charts.uvs, height[:, None].astype(np.float32)], axis=1)
    scene, corners = RayScene(standing, charts.faces), standing[charts.faces]
    covered = np.zeros(len(charts.faces), bool)
    rest = (1 - NEAR_CORNER) / 2
    for weights in (np.full(3, 1 / 3), *(np.eye(3) * (NEAR_CORNER - rest) + rest)):
        starts = np.einsum("fki,k->fi", corners, weights).astype(np.float32)
        starts[:, 2] = height.max() + 1
        hits = scene.cast(starts, np.broadcast_to(np.array([0, 0, -1], np.float32), starts.shape))
        covered |= hits.hit & (hits.face != np.arange(len(covered)))
    return covered
