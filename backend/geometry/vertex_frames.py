"""Normals and tangents at the vertices of a triangle mesh.

Tangents follow MikkTSpace (Mikkelsen, "Simulation of Wrinkled Surfaces Revisited", 2008), which glTF 2.0
section 3.7.2.1 asks for: face tangents along growing u, projected into each corner's normal plane and summed
with the corner angle as weight.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Int32


def vertex_normals(
    vertices: Float32[np.ndarray, "vertex 3"], faces: Int32[np.ndarray, "face 3"]
) -> Float32[np.ndarray, "vertex 3"]:
    """Unit normals: face normals weighted by the corner's angle (Thuermer and Wuethrich, 1998)."""
    corners = vertices[faces]
    face_normals = unit(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]))
    weighted = face_normals[:, None] * _corner_angles(corners)[..., None]
    return unit(_sum_at_vertices(weighted, faces, len(vertices)))


def vertex_tangents(
    vertices: Float32[np.ndarray, "vertex 3"],
    faces: Int32[np.ndarray, "face 3"],
    normals: Float32[np.ndarray, "vertex 3"],
    uvs: Float32[np.ndarray, "vertex 2"],
) -> Float32[np.ndarray, "vertex 4"]:
    """glTF tangents of a mesh already split along its UV seams; uvs have v up.

    bitangent = cross(normal, tangent.xyz) * tangent.w points along growing v.
    """
    corners, corner_uvs, corner_normals = vertices[faces], uvs[faces], normals[faces]
    edge_1, edge_2 = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    uv_1, uv_2 = corner_uvs[:, 1] - corner_uvs[:, 0], corner_uvs[:, 2] - corner_uvs[:, 0]
    orientation = np.sign(uv_1[:, 0] * uv_2[:, 1] - uv_2[:, 0] * uv_1[:, 1])
    along_u = (uv_2[:, 1:] * edge_1 - uv_1[:, 1:] * edge_2) * orientation[:, None]
    flat = unit(_reject(np.repeat(along_u[:, None], 3, axis=1), corner_normals))
    # A corner's angle is measured between its edges as seen along the vertex normal.
    before = _reject(np.roll(corners, 1, axis=1) - corners, corner_normals)
    after = _reject(np.roll(corners, -1, axis=1) - corners, corner_normals)
    weighted = flat * _angle_between(before, after)[..., None]
    tangents = unit(_sum_at_vertices(weighted, faces, len(vertices)))
    missing = np.einsum("vi,vi->v", tangents, tangents) < 0.5
    tangents[missing] = _any_perpendicular(normals[missing])
    handedness = _sum_at_vertices(np.repeat(orientation[:, None, None], 3, axis=1), faces, len(vertices))
    return np.concatenate([tangents, np.where(handedness < 0, -1, 1)], axis=1).astype(np.float32)


def bounding_frame(
    vertices: Float32[np.ndarray, "vertex 3"],
) -> tuple[float, Float32[np.ndarray, " 3"]]:
    """Scale and offset of the box: (vertices - offset) / scale is centred and its longest side is 1."""
    lowest, highest = vertices.min(axis=0), vertices.max(axis=0)
    return float((highest - lowest).max()), ((lowest + highest) / 2).astype(np.float32)


def unit(vectors: Float32[np.ndarray, "*batch 3"]) -> Float32[np.ndarray, "*batch 3"]:
    """Vectors of length one; those too short to have a direction become zero."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    scale = np.divide(1.0, length, out=np.zeros_like(length), where=length > 1e-12)
    return (vectors * scale).astype(np.float32)


def _corner_angles(corners: Float32[np.ndarray, "face 3 3"]) -> Float32[np.ndarray, "face 3"]:
    return _angle_between(np.roll(corners, 1, axis=1) - corners, np.roll(corners, -1, axis=1) - corners)


def _angle_between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.arccos(np.clip(np.einsum("...i,...i", unit(a), unit(b)), -1, 1))


def _reject(vectors: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """The part of the vectors perpendicular to unit normals."""
    return vectors - normals * np.einsum("...i,...i", vectors, normals)[..., None]


def _any_perpendicular(normals: np.ndarray) -> np.ndarray:
    axis = np.eye(3, dtype=np.float32)[np.abs(normals).argmin(axis=1)]
    return unit(np.cross(normals, axis))


def _sum_at_vertices(per_corner: np.ndarray, faces: np.ndarray, count: int) -> np.ndarray:
    """Sum of the corners' values ("face 3 channel") at their vertices."""
    flat = per_corner.reshape(faces.size, -1)
    columns = [np.bincount(faces.ravel(), weights=flat[:, c], minlength=count) for c in range(flat.shape[1])]
    return np.stack(columns, axis=1)
