"""What stands between marching cubes and a usable mesh: specks, defects, smoothing, the face budget."""

from __future__ import annotations

import numpy as np
import pymeshlab
from jaxtyping import Float32, Int32
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from backend.geometry.holes import close_holes

Vertices = Float32[np.ndarray, "vertex 3"]
Faces = Int32[np.ndarray, "face 3"]

SPECK_SHARE = 0.005
"""A component below this share of the largest one's area, some 7 % of its length, is a speck."""
HOLE_EDGES = 200
"""Boundary loops of at most this many edges are closed."""


def face_components(faces: Faces) -> Int32[np.ndarray, " face"]:
    """Index of the connected component (over shared vertices) of each face."""
    count = int(faces.max()) + 1
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]]])
    graph = coo_array((np.ones(len(edges), dtype=bool), (edges[:, 0], edges[:, 1])), shape=(count, count))
    _, vertex_labels = connected_components(graph, directed=False)
    _, labels = np.unique(vertex_labels[faces[:, 0]], return_inverse=True)
    return labels.astype(np.int32)


def face_areas(vertices: Vertices, faces: Faces) -> Float32[np.ndarray, " face"]:
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    return np.linalg.norm(np.cross(b - a, c - a), axis=-1) / 2


def signed_volumes(vertices: Vertices, faces: Faces) -> Float32[np.ndarray, " face"]:
    """Signed volume of the tetrahedron from the origin to each face; their sum is the enclosed volume."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    return np.einsum("fi,fi->f", a, np.cross(b, c)) / 6


def keep_object(vertices: Vertices, faces: Faces) -> tuple[Vertices, Faces]:
    """Without specks and without cavities, which nobody can see.

    The mesh is closed and wound outward, so a cavity is a component of negative volume.
    """
    labels = face_components(faces)
    areas = np.bincount(labels, weights=face_areas(vertices, faces))
    volumes = np.bincount(labels, weights=signed_volumes(vertices, faces))
    solid = volumes > 0
    kept = solid & (areas >= SPECK_SHARE * areas[solid].max())
    return compact(vertices, faces[kept[labels]])


def compact(vertices: Vertices, faces: Faces) -> tuple[Vertices, Faces]:
    """Without vertices that no face uses."""
    used, indices = np.unique(faces, return_inverse=True)
    return vertices[used], indices.reshape(faces.shape).astype(np.int32)


def clean(vertices: Vertices, faces: Faces, smoothing_steps: int) -> tuple[Vertices, Faces]:
    """Manifold, closed where the holes are small; Taubin smoothing, which keeps the volume."""
    meshes = _mesh_set(vertices, faces)
    meshes.meshing_merge_close_vertices(threshold=pymeshlab.PercentageValue(0.001))
    vertices, faces = _repaired(meshes)
    if not smoothing_steps:
        return vertices, faces
    meshes = _mesh_set(vertices, faces)
    meshes.apply_coord_taubin_smoothing(stepsmoothnum=smoothing_steps)
    return _arrays(meshes)


def decimate(vertices: Vertices, faces: Faces, face_limit: int) -> tuple[Vertices, Faces]:
    """At most `face_limit` faces by quadric edge collapse, genus kept unless the limit forbids it."""
    if len(faces) <= face_limit:
        return vertices, faces
    meshes = _mesh_set(vertices, faces)
    for preserve_topology in (True, False):
        if meshes.current_mesh().face_number() > face_limit:
            meshes.meshing_decimation_quadric_edge_collapse(
                targetfacenum=face_limit,
                qualitythr=0.5,
                preservenormal=True,
                preservetopology=preserve_topology,
                planarquadric=True,
                planarweight=0.0005,
            )
    repaired_vertices, repaired_faces = _repaired(meshes)
    if len(repaired_faces) <= face_limit or face_limit < 8:
        return repaired_vertices, repaired_faces
    # Closing holes has added a few faces: aim lower by that much.
    return decimate(repaired_vertices, repaired_faces, 2 * face_limit - len(repaired_faces))


def _repaired(meshes: pymeshlab.MeshSet) -> tuple[Vertices, Faces]:
    meshes.meshing_remove_duplicate_faces()
    meshes.meshing_remove_null_faces()
    meshes.meshing_repair_non_manifold_edges(method="Remove Faces")
    meshes.meshing_repair_non_manifold_vertices()
    meshes.meshing_remove_unreferenced_vertices()
    return close_holes(*_arrays(meshes), HOLE_EDGES)


def _mesh_set(vertices: Vertices, faces: Faces) -> pymeshlab.MeshSet:
    meshes = pymeshlab.MeshSet(verbose=False)
    meshes.add_mesh(pymeshlab.Mesh(vertices.astype(np.float64), faces))
    return meshes


def _arrays(meshes: pymeshlab.MeshSet) -> tuple[Vertices, Faces]:
    mesh = meshes.current_mesh()
    return mesh.vertex_matrix().astype(np.float32), mesh.face_matrix().astype(np.int32)
