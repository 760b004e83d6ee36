"""What the six views see of a surface."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32

from backend.geometry.cameras import Cameras
from backend.geometry.projection import Feather, Projection, project_image
from backend.geometry.ray_scene import RayScene

UNSEEN_WEIGHT = 0.02
"""The say of what lies below beside a generated view that sees the point squarely (1)."""
SHARPNESS = 3
"""Power of a view's weight: high values let the best view alone decide, and ghosts vanish."""
FEATHER = Feather(cosine=(0.1, 1.0), edge=(0.005, 0.05))


def blend_views(
    images: Float32[np.ndarray, "view side side 4"],
    cameras: Cameras,
    scene: RayScene,
    points: Float32[np.ndarray, "point 3"],
    normals: Float32[np.ndarray, "point 3"],
) -> Projection:
    """What the views see at points of the surface in `scene`, those that see a point best deciding.

    Everything is in the frame in which the object's longest side is 1.
    """
    total = np.zeros((len(points), 3), np.float32)
    weights = np.zeros(len(points), np.float32)
    for index, image in enumerate(images):
        seen = project_image(image, cameras[[index]], scene, points, normals, FEATHER)
        weight = seen.weight**SHARPNESS
        total += seen.colour * weight[:, None]
        weights += weight
    return Projection(total / np.maximum(weights, 1e-9)[:, None], weights / (weights + UNSEEN_WEIGHT))
