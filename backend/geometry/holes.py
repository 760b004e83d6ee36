"""Small holes of a triangle mesh closed by fans.

MeshLab's filter for it (pymeshlab 2025.7) reads beside its arrays on the ragged holes that a field of noise
leaves, which valgrind shows and which now and then ends the process.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Int32, Int64
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def close_holes(
    vertices: Float32[np.ndarray, "vertex 3"], faces: Int32[np.ndarray, "face 3"], most_edges: int
) -> tuple[Float32[np.ndarray, "vertex_and_middles 3"], Int32[np.ndarray, "face_and_fans 3"]]:
    """Every boundary loop of at most `most_edges` edges joined to a new vertex in its middle.

    A loop of three becomes one face. Left open are larger loops, and those that touch others at a vertex.
    """
    edges = boundary_edges(faces)
    if not len(edges):
        return vertices, faces
    corners, at = np.unique(edges, return_inverse=True)
    at = at.reshape(edges.shape)
    ones = np.ones(len(edges), dtype=bool)
    graph = coo_array((ones, (at[:, 0], at[:, 1])), shape=(len(corners), len(corners)))
    count, loop_of = connected_components(graph, directed=False)
    loop = loop_of[at[:, 0]]
    sizes = np.bincount(loop, minlength=count)
    simple = np.ones(count, dtype=bool)
    for end in (0, 1):
        simple[loop_of[np.bincount(at[:, end], minlength=len(corners)) != 1]] = False
    closed = simple & (sizes <= most_edges)

    # The next corner of each edge's loop closes loops of three; the first edge of each gives the face.
    after = np.empty(len(corners), dtype=np.int64)
    after[at[:, 0]] = edges[:, 1]
    _, first = np.unique(loop, return_index=True)
    triples = first[closed & (sizes == 3)]
    ends = edges[triples]
    patches = np.stack([ends[:, 1], ends[:, 0], after[at[triples, 1]]], axis=1)

    fanned = closed & (sizes > 3)
    middle_of = len(vertices) + np.cumsum(fanned) - 1
    own = fanned[loop]
    fans = np.stack([edges[own, 1], edges[own, 0], middle_of[loop[own]]], axis=1)
    sums = np.stack([np.bincount(loop, vertices[edges[:, 0], k], count) for k in range(3)], axis=1)
    middles = (sums / sizes[:, None])[fanned].astype(np.float32)
    return np.concatenate([vertices, middles]), np.concatenate([faces, patches, fans]).astype(np.int32)


def boundary_edges(faces: Int32[np.ndarray, "face 3"]) -> Int64[np.ndarray, "edge 2"]:
    """Edges of one face only, in that face's direction."""
    edges = faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2).astype(np.int64)
    _, place, uses = np.unique(np.sort(edges, axis=1), axis=0, return_inverse=True, return_counts=True)
    return edges[uses[place.ravel()] == 1]
