"""Bend a mesh in a camera's image plane until its silhouette is the one in a picture.

What a picture shows best of a shape is its outline, and a reconstruction at low resolution keeps it only
roughly. The mesh's outline is matched to the picture's, point to nearest point of like direction, and a
smooth field of displacements carries the whole mesh along: coarse to fine, as in non-rigid iterative closest
points (Amberg et al. 2007, section 3), but in the plane, where the picture knows.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float32, Int32

from backend.geometry.cameras import Cameras
from backend.geometry.normalised_convolution import gaussian_average
from backend.geometry.ray_scene import RayScene
from backend.geometry.register_reference import mask_iou
from backend.geometry.render import cast_camera

MASK_SIZE = 256
"""Side of the silhouettes compared, pixels."""
SCHEDULE = (
    (0.2, 0.25),
    (0.12, 0.18),
    (0.08, 0.12),
    (0.05, 0.08),
    (0.03, 0.06),
    (0.03, 0.05),
    (0.02, 0.04),
    (0.015, 0.03),
)
"""How far along the image a displacement carries, and the largest displacement, of each round, NDC."""
LIKE_DIRECTION = 0.5
"""Least cosine between the outward directions of outlines that may belong together."""
OUTLINE_POINTS = 500
REST = 0.025
"""Share of the outline's pull, for each unit of reach, that holds the mesh where no outline is near."""
LEAST_MATCHES = 8


def fit_silhouette(
    vertices: Float32[np.ndarray, "vertex 3"],
    faces: Int32[np.ndarray, "face 3"],
    camera: Cameras,
    alpha: Float32[np.ndarray, "size size"],
) -> Float32[np.ndarray, "vertex 3"]:
    """The vertices moved across `camera`'s (one camera's) viewing axis; distances along it stay.

    Parts of the picture that the mesh lacks, or the mesh's that the picture lacks, have no partner and pull
    nothing. The vertices come back as they were if their silhouette overlaps the mask `alpha` no worse.
    """
    target = cv2.resize(alpha, (MASK_SIZE, MASK_SIZE), interpolation=cv2.INTER_AREA) > 0.5

    def silhouette(positions: Float32[np.ndarray, "vertex 3"]) -> Bool[np.ndarray, "side side"]:
        return cast_camera(RayScene(positions, faces), camera, MASK_SIZE).mask

    wanted, wanted_outward = _outline(target)
    moved, mask = vertices, silhouette(vertices)
    before = mask_iou(mask, target)
    for reach, farthest in SCHEDULE:
        outline, outward = _outline(mask)
        if not len(outline) or not len(wanted):
            break
        chosen = np.linspace(0, len(outline) - 1, min(OUTLINE_POINTS, len(outline))).astype(int)
        outline, outward = outline[chosen], outward[chosen]
        squared = ((outline[:, None] - wanted[None]) ** 2).sum(-1)
        squared[outward @ wanted_outward.T < LIKE_DIRECTION] = np.inf
        partner = squared.argmin(axis=1)
        matched = np.flatnonzero(squared[np.arange(len(outline)), partner] < farthest**2)
        if len(matched) < LEAST_MATCHES:
            continue
        pull = wanted[partner[matched]] - outline[matched]
        ndc, depth = (values[0].numpy() for values in camera.project(torch.from_numpy(moved)))
        shift = gaussian_average(
            ndc,
            outline[matched],
            pull,
            np.ones(len(matched), np.float32),
            reach,
            np.zeros(2, np.float32),
            otherwise_weight=REST * len(matched) * reach,
        )
        there = torch.from_numpy(ndc + shift)[None], torch.from_numpy(depth)[None]
        moved = camera.unproject(*there)[0].numpy()
        mask = silhouette(moved)
    return moved if mask_iou(mask, target) > before else vertices


def _outline(
    mask: Bool[np.ndarray, "side side"],
) -> tuple[Float32[np.ndarray, "point 2"], Float32[np.ndarray, "point 2"]]:
    """Points on the borders of a mask, holes included, and their outward directions, NDC."""
    borders, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    if not borders:
        return np.zeros((0, 2), np.float32), np.zeros((0, 2), np.float32)
    pixels = np.concatenate([border[:, 0] for border in borders])
    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 1.5)
    slope = np.stack([cv2.Sobel(soft, cv2.CV_32F, *axis) for axis in ((1, 0), (0, 1))], axis=-1)
    outward = -slope[pixels[:, 1], pixels[:, 0]]
    outward /= np.maximum(np.linalg.norm(outward, axis=1, keepdims=True), 1e-9)
    # The border lies half a pixel outside the outermost pixels' centres.
    edge = (pixels + 0.5 * outward + 0.5) / len(mask) * 2 - 1
    up = np.array([1, -1], np.float32)
    return (edge * up).astype(np.float32), (outward * up).astype(np.float32)
