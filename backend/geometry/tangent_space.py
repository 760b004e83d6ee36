"""World normals to the tangent-space normal map that glTF asks for (+X along u, +Y along v, +Z outward)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, UInt8

from backend.geometry.vertex_frames import unit

LEAST_HEIGHT = 0.25
"""Least z of a stored normal: beyond, the map would shade faces that point elsewhere."""


def to_tangent_space(
    world: Float32[np.ndarray, "point 3"],
    normals: Float32[np.ndarray, "point 3"],
    tangents: Float32[np.ndarray, "point 4"],
) -> Float32[np.ndarray, "point 3"]:
    """Unit tangent-space normals.

    `normals` and `tangents` are interpolated from the vertices and, as in MikkTSpace's shader, not
    normalised; the result inverts that shader's n = x t + y w (n x t) + z n.
    """
    x, y, z = _axes(normals, tangents)
    outward = unit(normals)
    height = np.einsum("pi,pi->p", world, outward)
    lifted = unit(world + outward * np.maximum(0, LEAST_HEIGHT - height)[:, None])
    # Cramer's rule; the common factor, the frame's determinant, falls away on normalising.
    components = [np.einsum("pi,pi->p", lifted, np.cross(a, b)) for a, b in ((y, z), (z, x), (x, y))]
    handedness = np.sign(tangents[:, 3:])
    return unit(np.stack(components, axis=1) * handedness)


def to_world_space(
    local: Float32[np.ndarray, "point 3"],
    normals: Float32[np.ndarray, "point 3"],
    tangents: Float32[np.ndarray, "point 4"],
) -> Float32[np.ndarray, "point 3"]:
    """What a shader makes of a normal map: the inverse of `to_tangent_space`."""
    return unit(np.einsum("pk,pki->pi", local, np.stack(_axes(normals, tangents), axis=1)))


def encode_normals(normals: Float32[np.ndarray, "*batch 3"]) -> UInt8[np.ndarray, "*batch 3"]:
    """[-1, 1] to [0, 255]."""
    return np.round((normals * 0.5 + 0.5) * 255).astype(np.uint8)


def decode_normals(encoded: UInt8[np.ndarray, "*batch 3"]) -> Float32[np.ndarray, "*batch 3"]:
    return unit(encoded.astype(np.float32) / 255 * 2 - 1)


def _axes(
    normals: Float32[np.ndarray, "point 3"], tangents: Float32[np.ndarray, "point 4"]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    bitangents = np.cross(normals, tangents[:, :3]) * np.sign(tangents[:, 3:])
    return tangents[:, :3], bitangents, normals
