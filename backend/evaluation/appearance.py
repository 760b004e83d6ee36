"""Metrics on images and on surface materials."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Float, Int64

from backend.evaluation.metrics import mask_iou
from backend.evaluation.nearest import NearestPoints
from backend.evaluation.shape import place_points
from backend.pipeline.stage_data import NormalViews, TexturedMesh, Views
from backend.training.assets import Model, Part, SurfaceSamples

MATERIAL_REACH = 0.05
"""Predicted surface points farther than this from the true surface have no true material to compare with."""


@dataclass(frozen=True)
class ViewScores:
    """Means over views."""

    psnr: float
    """dB, over white, whole images."""
    ssim: float
    mask_iou: float


@dataclass(frozen=True)
class MaterialScores:
    """Mean absolute errors where the predicted surface lies on the true one; NaN where it nowhere does."""

    albedo: float
    """sRGB in [0, 1]."""
    roughness: float
    metallic: float


def compare_views(
    predicted: Float[np.ndarray, "view size size 4"], truth: Float[np.ndarray, "view size size 4"]
) -> ViewScores:
    """sRGB with straight alpha, both in [0, 1]."""
    scores = []
    for one, other in zip(predicted, truth, strict=True):
        a, b = over_white(one), over_white(other)
        # 100 dB stands for equal images.
        psnr = -10 * np.log10(max(float(((a - b) ** 2).mean()), 1e-10))
        scores.append((psnr, similarity(a, b), mask_iou(one[..., 3] > 0.5, other[..., 3] > 0.5)))
    return ViewScores(*(float(mean) for mean in np.mean(scores, axis=0)))


def similarity(a: Float[np.ndarray, "h w c"], b: Float[np.ndarray, "h w c"]) -> float:
    """Structural similarity of images in [0, 1], windows of 7 x 7 (Wang et al. 2004, equation 13).

    scikit-image's value in a tenth of its time, which two dozen views of every result ask for.
    """
    a, b = a.astype(np.float32), b.astype(np.float32)
    mean_a, mean_b = _window_mean(a), _window_mean(b)
    unbiased = 49 / 48
    variances = unbiased * (_window_mean(a * a) - mean_a**2 + _window_mean(b * b) - mean_b**2)
    covariance = unbiased * (_window_mean(a * b) - mean_a * mean_b)
    luminance = (2 * mean_a * mean_b + 0.01**2) / (mean_a**2 + mean_b**2 + 0.01**2)
    structure = (2 * covariance + 0.03**2) / (variances + 0.03**2)
    return float((luminance * structure).mean(dtype=np.float64))


def _window_mean(image: Float[np.ndarray, "h w c"]) -> Float[np.ndarray, "h-6 w-6 c"]:
    """Of the windows that lie wholly inside."""
    return cv2.blur(image, (7, 7))[3:-3, 3:-3]


def normal_error_degrees(
    predicted: NormalViews, truth: NormalViews, views: Views, true_views: Views
) -> float:
    """Mean angle between predicted and true normals where both views have the object; NaN where none has."""
    both = (views.rgba[:, 3].cpu() > 0.5) & (true_views.rgba[:, 3] > 0.5)
    one, other = (
        torch.nn.functional.normalize(normals.normals.detach().float().cpu(), dim=1)
        for normals in (predicted, truth)
    )
    angles = torch.rad2deg(torch.acos((one * other).sum(1).clamp(-1, 1)))
    return float(angles[both].mean()) if both.any() else float("nan")


def compare_materials(textured: TexturedMesh, truth: SurfaceSamples, count: int = 20_000) -> MaterialScores:
    """Maps against the true materials at the nearest surface points, both meshes in the unit box."""
    face, weights = place_points(textured.vertices[textured.faces], count, np.random.default_rng(0))
    corners = textured.faces[face]
    points = np.einsum("pc,pcd->pd", weights, textured.vertices[corners])
    distance, nearest = NearestPoints(truth.points).query(points)
    close = distance < MATERIAL_REACH
    if not close.any():
        return MaterialScores(float("nan"), float("nan"), float("nan"))
    uvs = np.einsum("pc,pcd->pd", weights, textured.uvs[corners])[close]
    rows, columns = texel_of(uvs, len(textured.maps.roughness))
    at = nearest[close]
    pairs = (
        (textured.maps.base_color[rows, columns], truth.albedo[at]),
        (textured.maps.roughness[rows, columns], truth.roughness[at]),
        (textured.maps.metallic[rows, columns], truth.metallic[at]),
    )
    return MaterialScores(*(float(np.abs(found / 255.0 - true).mean()) for found, true in pairs))


def textured_model(textured: TexturedMesh) -> Model:
    """The asset as the renderer takes it: base colour by its map, roughness and metallic one value a face."""
    faces = textured.faces
    rows, columns = texel_of(textured.uvs[faces].mean(1), len(textured.maps.roughness))
    part = Part(
        positions=textured.vertices[faces],
        normals=textured.normals[faces],
        uvs=textured.uvs[faces],
        colour=np.ones((len(faces), 3, 3), np.float32),
        roughness=(textured.maps.roughness[rows, columns] / 255).astype(np.float32),
        metallic=(textured.maps.metallic[rows, columns] / 255).astype(np.float32),
        texture=textured.maps.base_color,
    )
    return Model((part,))


def texel_of(
    uvs: Float[np.ndarray, "point 2"], size: int
) -> tuple[Int64[np.ndarray, " point"], Int64[np.ndarray, " point"]]:
    """Row and column of the texel that holds each uv (v up)."""
    columns, rows = (np.stack([uvs[:, 0], 1 - uvs[:, 1]]) * size).astype(np.int64).clip(0, size - 1)
    return rows, columns


def over_white(rgba: Float[np.ndarray, "*size 4"]) -> Float[np.ndarray, "*size 3"]:
    """Straight alpha laid over white."""
    return rgba[..., :3] * rgba[..., 3:] + (1 - rgba[..., 3:])
