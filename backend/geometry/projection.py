"""Which colour an image gives to points of a surface, and how far to trust it there."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float32

from backend.geometry.cameras import Cameras
from backend.geometry.ray_scene import RayScene
from backend.geometry.render import cast_camera, sample_image
from backend.geometry.texels import extend_colours

EDGE_RASTER = 384
"""Side of the depth buffer in which silhouettes and occlusions are looked for, pixels."""
DEPTH_JUMP = 0.04
"""A change of depth over three pixels, in sides of the object, that is an occlusion."""
SURFACE_OFFSET = 2e-3
"""How far off the surface visibility rays start, in sides of the object."""


@dataclass(frozen=True)
class Feather:
    """Between which values an image's weight rises from none to full."""

    cosine: tuple[float, float]
    """Of the angle between the surface normal and the direction to the camera."""
    edge: tuple[float, float]
    """Distance from silhouettes and occlusions, in image sides."""


@dataclass(frozen=True)
class Projection:
    colour: Float32[np.ndarray, "point 3"]
    weight: Float32[np.ndarray, " point"]
    """In [0, 1]; zero where the image does not see the point."""


def project_image(
    image: Float32[np.ndarray, "size size 4"],
    camera: Cameras,
    scene: RayScene,
    points: Float32[np.ndarray, "point 3"],
    normals: Float32[np.ndarray, "point 3"],
    feather: Feather,
) -> Projection:
    """Colours of the surface points seen by one camera whose picture is `image` (sRGB, straight alpha).

    The weight falls to zero at grazing angles, at the picture's and the mesh's silhouettes and at
    occlusions: there, image and mesh never agree to the pixel. Colours are extended outward from well
    inside the mask first, so that no background comes along.
    """
    to_camera = camera.positions[0].numpy() - points
    to_camera /= np.linalg.norm(to_camera, axis=1, keepdims=True)
    cosine = np.einsum("pi,pi->p", normals, to_camera)
    ndc = camera.project(torch.from_numpy(points))[0][0].numpy()

    weight = smoothstep(cosine, *feather.cosine) * (np.abs(ndc) < 1).all(axis=1)
    distance = _distance_to_edges(image[..., 3], camera, scene)[..., None]
    candidates = np.flatnonzero(weight > 0)
    weight[candidates] *= smoothstep(sample_image(distance, ndc[candidates])[:, 0], *feather.edge)
    candidates = np.flatnonzero(weight > 0)
    starts = points[candidates] + SURFACE_OFFSET * normals[candidates]
    weight[candidates[scene.occluded(starts, to_camera[candidates])]] = 0

    seen = np.flatnonzero(weight > 0)
    colour = np.zeros((len(points), 3), np.float32)
    if len(seen):
        colour[seen] = sample_image(_prefiltered(_clean_colours(image), len(seen)), ndc[seen])
    return Projection(colour, weight.astype(np.float32))


def smoothstep(x: np.ndarray, low: float, high: float) -> np.ndarray:
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def _distance_to_edges(
    alpha: Float32[np.ndarray, "size size"], camera: Cameras, scene: RayScene
) -> Float32[np.ndarray, "raster raster"]:
    """Distance of each pixel from what must not be trusted, in image sides."""
    depth = cast_camera(scene, camera, EDGE_RASTER).depth
    opaque = cv2.resize(alpha, depth.shape, interpolation=cv2.INTER_AREA) > 0.9
    inside = np.isfinite(depth)
    window = np.ones((3, 3), np.uint8)
    nearest = cv2.erode(np.where(inside, depth, 1e6), window)
    farthest = cv2.dilate(np.where(inside, depth, -1e6), window)
    trusted = opaque & inside & (farthest - nearest < DEPTH_JUMP)
    trusted[[0, -1]] = trusted[:, [0, -1]] = False
    return cv2.distanceTransform(trusted.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5) / EDGE_RASTER


def _clean_colours(image: Float32[np.ndarray, "size size 4"]) -> Float32[np.ndarray, "size size 3"]:
    """Colours with the mixed pixels of the rim replaced by their neighbours inside."""
    opaque = _eroded(image[..., 3] > 0.95)
    if not opaque.any():
        opaque = image[..., 3] > 0
    return extend_colours(image[..., :3], opaque) if opaque.any() else image[..., :3]


def _eroded(mask: Bool[np.ndarray, "size size"]) -> Bool[np.ndarray, "size size"]:
    return cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0


def _prefiltered(colours: Float32[np.ndarray, "size size 3"], count: int) -> Float32[np.ndarray, "s s 3"]:
    """Shrunk when the picture has more pixels than `count` points can hold: averages instead of aliases."""
    # The points cover at most about half of the picture, so this never blurs below their density.
    target = int(np.sqrt(2 * count))
    if colours.shape[0] <= 1.5 * target:
        return colours
    return cv2.resize(colours, (target, target), interpolation=cv2.INTER_AREA)
