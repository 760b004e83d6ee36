"""UVs by xatlas, and the mesh split along their seams."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xatlas
from jaxtyping import Float32, Int32

from backend.geometry.projected_charts import project_charts

PROJECTED_FROM = 50_000
"""Faces; xatlas takes 0.2 ms of processor time to place one in an island."""
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
    """Islands that do not overlap, packed for square maps of `size` texels.

    xatlas also cuts the mesh into islands, of low distortion, but for PROJECTED_FROM faces and more: there it
    would take minutes, and islands projected along the axes are as good for faces of a few texels.
    """
    atlas = xatlas.Atlas()
    projected = project_charts(vertices, faces) if len(faces) >= PROJECTED_FROM else None
    if projected is None:
        atlas.add_mesh(vertices, faces.astype(np.uint32), normals)
    else:
        atlas.add_uv_mesh(projected.uvs, projected.faces.astype(np.uint32))
    charts = xatlas.ChartOptions()
    charts.fix_winding = True
    packing = xatlas.PackOptions()
    packing.resolution = size
    packing.padding = GUTTER_TEXELS
    packing.bilinear = True
    atlas.generate(charts, packing)
    source, split_faces, uvs = atlas[0]
    source = source.astype(np.int32) if projected is None else projected.source_vertex[source]
    return UvMesh(source, split_faces.astype(np.int32), uvs.astype(np.float32))
