"""Rays against a triangle mesh on the CPU (Intel Embree through embreex)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore import EmbreeDevice
from embreex.rtcore_scene import EmbreeScene
from jaxtyping import Bool, Float32, Int32

_DEVICE = EmbreeDevice()
"""One for all scenes. Left to itself every scene makes its own, and with a thousand of those alive Embree
ends the process by a segmentation fault."""


@dataclass(frozen=True)
class Hits:
    """Where rays meet the mesh first."""

    face: Int32[np.ndarray, " ray"]
    """-1 where the ray meets nothing."""
    barycentric: Float32[np.ndarray, "ray 3"]
    """Weights of the face's corners."""
    distance: Float32[np.ndarray, " ray"]
    """In lengths of the given direction; huge where the ray meets nothing."""

    @property
    def hit(self) -> Bool[np.ndarray, " ray"]:
        return self.face >= 0

    def __getitem__(self, rays: np.ndarray) -> Hits:
        return Hits(self.face[rays], self.barycentric[rays], self.distance[rays])

    def interpolate(
        self, faces: Int32[np.ndarray, "face 3"], values: Float32[np.ndarray, "vertex channel"]
    ) -> Float32[np.ndarray, "ray channel"]:
        """A vertex attribute at the hits; meaningless where there is none."""
        corners = faces[self.face]
        return sum(values[corners[:, k]] * self.barycentric[:, k : k + 1] for k in range(3))


class RayScene:
    """A mesh prepared for ray queries."""

    def __init__(self, vertices: Float32[np.ndarray, "vertex 3"], faces: Int32[np.ndarray, "face 3"]) -> None:
        self._scene = EmbreeScene(_DEVICE)
        TriangleMesh(self._scene, np.ascontiguousarray(vertices, np.float32), faces.astype(np.int32))

    def cast(self, origins: Float32[np.ndarray, "ray 3"], directions: Float32[np.ndarray, "ray 3"]) -> Hits:
        found = self._scene.run(
            np.ascontiguousarray(origins, np.float32),
            np.ascontiguousarray(directions, np.float32),
            output=True,
        )
        u, v = found["u"], found["v"]
        return Hits(found["primID"], np.stack([1 - u - v, u, v], axis=1), found["tfar"])

    def occluded(
        self, origins: Float32[np.ndarray, "ray 3"], directions: Float32[np.ndarray, "ray 3"]
    ) -> Bool[np.ndarray, " ray"]:
        """Whether each ray meets anything at all."""
        return (
            self._scene.run(
                np.ascontiguousarray(origins, np.float32),
                np.ascontiguousarray(directions, np.float32),
                query="OCCLUDED",
            )
            >= 0
        )
