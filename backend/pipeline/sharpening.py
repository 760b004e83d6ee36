"""Generated normals that sharpen a surface whose reconstructor did not read them.

They are finer than the reconstructor's field: where a view sees the surface well, and its normal does not
contradict the mesh's, the mesh is bent to follow it and the normal map takes it over.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Int32

from backend.geometry.cameras import Cameras, moved_cameras
from backend.geometry.follow_normals import follow_normals
from backend.geometry.projection import smoothstep
from backend.geometry.ray_scene import RayScene
from backend.geometry.vertex_frames import bounding_frame, unit
from backend.pipeline.stage_data import NormalViews, Views
from backend.pipeline.view_projection import blend_views

AGREEMENT = (0.6, 0.85)
"""Cosines between a view's normal and the mesh's from which, and from which wholly, it is believed."""


@dataclass(frozen=True)
class NormalGuide:
    """Normals as pictures, with the cameras that see them in the model frame."""

    images: Float32[np.ndarray, "view size size 4"]
    """World-frame normals mapped to [0, 1], and the object's alpha."""
    cameras: Cameras

    def normals_at(
        self,
        cameras: Cameras,
        scene: RayScene,
        points: Float32[np.ndarray, "point 3"],
        normals: Float32[np.ndarray, "point 3"],
        otherwise: Float32[np.ndarray, "point 3"],
    ) -> Float32[np.ndarray, "point 3"]:
        """Unit normals at surface points: the views' where they can be believed, feathered into `otherwise`.

        `cameras` are the guide's, moved to the frame of the points; `normals` are the mesh's own.
        """
        seen = blend_views(self.images, cameras, scene, points, normals)
        told = unit(seen.colour * 2 - 1)
        weight = seen.weight * smoothstep(np.einsum("pi,pi->p", told, normals), *AGREEMENT)
        return unit(otherwise + (told - otherwise) * weight[:, None].astype(np.float32))


def normal_guide(views: Views, normal_views: NormalViews) -> NormalGuide:
    """The views' normals with the colour views' outlines."""
    mapped = torch.cat([normal_views.normals * 0.5 + 0.5, views.rgba[:, 3:]], dim=1)
    images = mapped.detach().float().cpu().permute(0, 2, 3, 1).contiguous().numpy()
    return NormalGuide(images, views.cameras.to("cpu"))


def sharpen_mesh(
    vertices: Float32[np.ndarray, "vertex 3"], faces: Int32[np.ndarray, "face 3"], guide: NormalGuide
) -> Float32[np.ndarray, "vertex 3"]:
    """The mesh, in the model frame, bent towards the normals that the views show."""
    scale, offset = bounding_frame(vertices)
    small = (vertices - offset) / np.float32(scale)
    corners = small[faces]
    own = unit(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]))
    cameras = moved_cameras(guide.cameras, scale, offset)
    wanted = guide.normals_at(cameras, RayScene(small, faces), corners.mean(axis=1), own, own)
    return (follow_normals(small, faces, wanted) * scale + offset).astype(np.float32)
