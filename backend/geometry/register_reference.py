"""The camera that took the reference image, fitted to the mesh by its silhouette."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float32, Int32
from scipy.optimize import minimize

from backend.errors import ForegroundError
from backend.geometry.cameras import VIEW_FOV_DEGREES, Cameras, focal_from_fov, orbit_cameras
from backend.geometry.ray_scene import RayScene
from backend.geometry.render import cast_camera

MASK_SIZE = 96
"""Side of the silhouettes compared, pixels."""
ELEVATION_SPREAD, AZIMUTH_SPREAD = 15.0, 5.0
"""Degrees by which the estimated angles may be off; costs PRIOR_WEIGHT of overlap each."""
PRIOR_WEIGHT = 0.02
REFINEMENT_RENDERS = 100

Parameters = Float32[np.ndarray, "5"]
"""Elevation, azimuth (degrees), log of distance, centre x, centre y (NDC)."""


def register_reference(
    vertices: Float32[np.ndarray, "vertex 3"],
    faces: Int32[np.ndarray, "face 3"],
    alpha: Float32[np.ndarray, "size size"],
    elevation_degrees: float,
) -> Cameras:
    """One camera, from which the mesh's silhouette overlaps the mask `alpha` best.

    The object is centred at the origin. First the angles are searched, distance and centre following from
    the two bounding boxes; then all five are refined together. Raises ForegroundError for an empty mask.
    """
    target = cv2.resize(alpha, (MASK_SIZE, MASK_SIZE), interpolation=cv2.INTER_AREA) > 0.5
    if not target.any():
        raise ForegroundError("The foreground is empty: nothing to fit the reference camera to.")
    box = _mask_box(alpha > 0.5)
    cost = _silhouette_cost(RayScene(vertices, faces), target, elevation_degrees)

    def fitted(elevation: float, azimuth: float) -> Parameters:
        return _fit_to_box(vertices, box, elevation, azimuth)

    best = _search_angles(fitted, cost, elevation_degrees)
    steps = np.array([2.0, 2.0, 0.02, 0.02, 0.02])
    simplex = np.concatenate([best[None], best + np.diag(steps)])
    refined = minimize(
        cost,
        best,
        method="Nelder-Mead",
        options={"initial_simplex": simplex, "maxfev": REFINEMENT_RENDERS, "xatol": 1e-3, "fatol": 1e-4},
    )
    return _camera(refined.x)


def mask_iou(a: Bool[np.ndarray, "*shape"], b: Bool[np.ndarray, "*shape"]) -> float:
    """Intersection over union; 1 for two empty masks."""
    union = int((a | b).sum())
    return int((a & b).sum()) / union if union else 1.0


def _search_angles(
    fitted: Callable[[float, float], Parameters], cost: Callable[[Parameters], float], elevation: float
) -> Parameters:
    """Pattern search from the estimate, its step halved from 8 degrees to 1."""
    centre = (elevation, 0.0)
    seen = {centre: cost(fitted(*centre))}
    step = 8.0
    while step >= 1:
        around = [(centre[0] + de * step, centre[1] + da * step) for de in (-1, 0, 1) for da in (-1, 0, 1)]
        for angles in around:
            if angles not in seen and abs(angles[0]) < 89:
                seen[angles] = cost(fitted(*angles))
        best = min(seen, key=lambda angles: seen[angles])
        if best == centre:
            step /= 2
        centre = best
    return fitted(*centre)


def _silhouette_cost(
    scene: RayScene, target: Bool[np.ndarray, "size size"], elevation: float
) -> Callable[[Parameters], float]:
    def cost(parameters: Parameters) -> float:
        overlap = mask_iou(cast_camera(scene, _camera(parameters), MASK_SIZE).mask, target)
        off = ((parameters[0] - elevation) / ELEVATION_SPREAD) ** 2 + (parameters[1] / AZIMUTH_SPREAD) ** 2
        return PRIOR_WEIGHT * off - overlap

    return cost


def _fit_to_box(
    vertices: Float32[np.ndarray, "vertex 3"], box: Float32[np.ndarray, "2 2"], elevation: float, azimuth: float
) -> Parameters:
    """Distance and centre for which the projected box has the size and the middle of `box` (NDC)."""
    points = torch.from_numpy(vertices)
    distance = 1.5 * focal_from_fov(VIEW_FOV_DEGREES)
    size = np.prod(box[1] - box[0])
    for _ in range(6):
        ndc = orbit_cameras([azimuth], [elevation], distance).project(points)[0][0].numpy()
        lowest, highest = ndc.min(axis=0), ndc.max(axis=0)
        # The camera stays outside the object, whose half diagonal is at most sqrt(3)/2.
        distance = max(1.0, distance * float(np.sqrt(np.prod(highest - lowest) / size)))
    middle = box.mean(axis=0) - (lowest + highest) / 2
    return np.array([elevation, azimuth, np.log(distance), *middle])


def _mask_box(mask: Bool[np.ndarray, "size size"]) -> Float32[np.ndarray, "2 2"]:
    """Lowest and highest corner of a mask in NDC (x right, y up)."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    size = mask.shape[0]
    edges = np.array([[columns[0], size - 1 - rows[-1]], [columns[-1] + 1, size - rows[0]]])
    return (edges / size * 2 - 1).astype(np.float32)


def _camera(parameters: Parameters) -> Cameras:
    elevation, azimuth, log_distance, x, y = (float(p) for p in parameters)
    return orbit_cameras([azimuth], [elevation], float(np.exp(log_distance)), centre=(x, y))
