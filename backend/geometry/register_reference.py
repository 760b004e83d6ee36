"""The camera that took the reference image, fitted to the mesh by its silhouette."""

from __future__ import annotations

import math

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int32
from scipy.optimize import minimize
from torch import Tensor

from backend.errors import ForegroundError
from backend.geometry.cameras import VIEW_FOV_DEGREES, Cameras, focal_from_fov, orbit_cameras
from backend.geometry.ray_scene import RayScene
from backend.geometry.render import cast_camera

MASK_SIZE = 64
"""Side of the silhouettes compared, pixels."""
SUPERSAMPLING = 3
"""Rays per pixel and axis: soft silhouettes make the overlap a smooth function."""
ANGLE_SPREADS = np.array([15.0, 8.0, 3.0])
"""Degrees of elevation, azimuth, roll by which the estimate may be off."""
PRIOR_WEIGHT = 0.005
"""Overlap that an angle off by its spread costs."""
FIRST_STEPS = np.array([6.0, 4.0, 1.5, 0.02, 0.01, 0.01])
MOST_RENDERS = 120

Parameters = Float[np.ndarray, "6"]
"""Elevation, azimuth, roll (degrees); then, relative to the camera that these angles and the two bounding
boxes ask for, log of distance and centre x, y (NDC)."""


def register_reference(
    vertices: Float32[np.ndarray, "vertex 3"],
    faces: Int32[np.ndarray, "face 3"],
    alpha: Float32[np.ndarray, "size size"],
    elevation_degrees: float,
) -> Cameras:
    """One camera, from which the mesh's silhouette overlaps the mask `alpha` best.

    The object is centred at the origin; azimuth and roll start at zero. Raises ForegroundError for an
    empty mask.
    """
    if alpha.max() <= 0.5:
        raise ForegroundError(
            "The foreground is empty, so the reference camera cannot be found. "
            "Use an image in which the object stands out clearly, or one with an alpha channel."
        )
    target = _shrunk(alpha)
    box = _mask_box(alpha > 0.5)
    scene, points = RayScene(vertices, faces), torch.from_numpy(vertices)
    expected = np.array([elevation_degrees, 0.0, 0.0])

    def cost(parameters: Parameters) -> float:
        buffer = cast_camera(scene, _camera(parameters, points, box), MASK_SIZE * SUPERSAMPLING)
        silhouette = _shrunk(buffer.mask.astype(np.float32))
        overlap = float(np.minimum(silhouette, target).sum() / np.maximum(silhouette, target).sum())
        off = (parameters[:3] - expected) / ANGLE_SPREADS
        return PRIOR_WEIGHT * float(off @ off) - overlap

    start = np.concatenate([expected, np.zeros(3)])
    simplex = start + np.concatenate([np.zeros((1, 6)), np.diag(FIRST_STEPS)])
    found = minimize(
        cost,
        start,
        method="Nelder-Mead",
        options={"initial_simplex": simplex, "maxfev": MOST_RENDERS, "xatol": 1e-3, "fatol": 1e-4},
    )
    return _camera(found.x, points, box)


def _shrunk(mask: Float32[np.ndarray, "size size"]) -> Float32[np.ndarray, "small small"]:
    return cv2.resize(mask, (MASK_SIZE, MASK_SIZE), interpolation=cv2.INTER_AREA)


def mask_iou(a: Bool[np.ndarray, "*shape"], b: Bool[np.ndarray, "*shape"]) -> float:
    """Intersection over union; 1 for two empty masks."""
    union = int((a | b).sum())
    return int((a & b).sum()) / union if union else 1.0


def _mask_box(mask: Bool[np.ndarray, "size size"]) -> Float32[np.ndarray, "2 2"]:
    """Lowest and highest corner of a mask in NDC (x right, y up)."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    size = mask.shape[0]
    edges = np.array([[columns[0], size - 1 - rows[-1]], [columns[-1] + 1, size - rows[0]]])
    return (edges / size * 2 - 1).astype(np.float32)


def _camera(
    parameters: Parameters, points: Float[Tensor, "vertex 3"], box: Float32[np.ndarray, "2 2"]
) -> Cameras:
    """Fitted to the box (NDC) at the given angles, then moved by the other parameters."""
    elevation, azimuth, roll, log_distance, x, y = (float(p) for p in parameters)
    distance, size = 1.5 * focal_from_fov(VIEW_FOV_DEGREES), np.prod(box[1] - box[0])
    for _ in range(4):
        centred = _rolled_camera(elevation, azimuth, roll, distance)
        ndc = centred.project(points)[0][0].numpy()
        lowest, highest = ndc.min(axis=0), ndc.max(axis=0)
        # The camera stays outside the object, whose half diagonal is at most sqrt(3)/2.
        distance = max(1.0, distance * math.sqrt(np.prod(highest - lowest) / size))
    moved = _rolled_camera(elevation, azimuth, roll, max(1.0, distance * math.exp(log_distance)))
    centre = box.mean(axis=0) - (lowest + highest) / 2 + np.array([x, y])
    return Cameras(moved.camera_to_world, moved.focal, torch.from_numpy(centre.astype(np.float32))[None])


def _rolled_camera(elevation: float, azimuth: float, roll: float, distance: float) -> Cameras:
    camera = orbit_cameras([azimuth], [elevation], distance)
    cosine, sine = math.cos(math.radians(roll)), math.sin(math.radians(roll))
    turn = torch.eye(4)
    turn[:2, :2] = torch.tensor([[cosine, -sine], [sine, cosine]])
    return Cameras(camera.camera_to_world @ turn, camera.focal, camera.centre)
