"""UVs by xatlas, and the mesh split along their seams."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xatlas
from jaxtyping import Float32, Int32

GUTTER_TEXELS = 4
"""Least distance between two islands, in texels of the map."""


@dataclass(frozen=True)
class UvMesh:
    """A mesh whose vertices are split where its UV islands part; same faces in the same order."""

    source_vertex: Int32[np.ndarray, " vertex"]
    """Vertex of the unsplit mesh."""
    faces: Int32[np.ndarray, "face 3"]
    uvs: Float32[np.ndarray, "vertex 2"]
    """v up, in [0, 1]."""


def unwrap(
    vertices: Float32[np.ndarray, "vertex 3"],
    faces: Int32[np.ndarray, "face 3"],
    normals: Float32[np.ndarray, "vertex 3"],
    size: int,
) -> UvMesh:
    """Islands of low distortion that do not overlap, packed for square maps of `size` texels."""
    atlas = xatlas.Atlas()
    atlas.add_mesh(vertices, faces.astype(np.uint32), normals)
    charts = xatlas.ChartOptions()
    charts.fix_winding = True
    packing = xatlas.PackOptions()
    packing.resolution = size
    packing.padding = GUTTER_TEXELS
    packing.bilinear = True
    atlas.generate(charts, packing)
    source, split_faces, uvs = atlas[0]
    return UvMesh(source.astype(np.int32), split_faces.astype(np.int32), uvs.astype(np.float32))
