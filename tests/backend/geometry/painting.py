"""Pictures of an analytic field's paint on its mesh: what generated views and the reference would show."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float32

from backend.geometry.cameras import Cameras
from backend.geometry.ray_scene import RayScene
from backend.geometry.render import cast_camera
from backend.pipeline.stage_data import Mesh
from tests.backend.geometry.analytic_fields import paint


def paint_pictures(
    mesh: Mesh, cameras: Cameras, size: int, in_model_frame: bool = True
) -> Float32[np.ndarray, "view size size 4"]:
    """The paint is a function of the model frame's positions, whichever frame the cameras are in."""
    in_model = mesh.vertices * mesh.model_scale + mesh.model_offset
    scene = RayScene(in_model if in_model_frame else mesh.vertices, mesh.faces)
    pictures = np.zeros((len(cameras), size * size, 4), np.float32)
    for index in range(len(cameras)):
        hits = cast_camera(scene, cameras[[index]], size).hits
        points = hits[hits.hit].interpolate(mesh.faces, in_model)
        pictures[index, hits.hit, :3] = paint(torch.from_numpy(points).float()).numpy()
        pictures[index, hits.hit, 3] = 1
    return pictures.reshape(len(cameras), size, size, 4)


def mean_colour_error(a: Float32[np.ndarray, "size size 4"], b: Float32[np.ndarray, "size size 4"]) -> float:
    """Mean absolute difference where both show the object."""
    both = (a[..., 3] > 0.5) & (b[..., 3] > 0.5)
    return float(np.abs(a[..., :3] - b[..., :3])[both].mean())
