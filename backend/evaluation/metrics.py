"""Geometry metrics between two shapes, in the fixed frame and after alignment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from backend.evaluation.alignment import align
from backend.evaluation.nearest import NearestPoints
from backend.evaluation.shape import Shape

THRESHOLDS = (0.05, 0.02, 0.01)
"""F-score distances, in sides of the unit box."""


@dataclass(frozen=True)
class GeometryScores:
    """How near a predicted surface is to the true one."""

    f05: float
    """F-score at 0.05: harmonic mean of the shares of points with the other surface that near."""
    f02: float
    f01: float
    chamfer: float
    """Mean of the two directed mean distances (not squared), in sides of the unit box."""
    iou: float
    """Of the occupied voxels at 64^3."""
    normal_consistency: float
    """Mean absolute cosine between normals of nearest points, both directions."""


@dataclass(frozen=True)
class Geometry:
    """Scores in the reference camera's frame, and after the best similarity transform of the prediction."""

    fixed: GeometryScores
    aligned: GeometryScores


def compare(predicted: Shape, truth: Shape) -> Geometry:
    """Both frames' scores; an alignment that does not lower the Chamfer distance is not used."""
    tree = NearestPoints(truth.points)
    fixed = score(predicted, truth, tree)
    moved = predicted.transformed(*align(predicted.points, truth.points))
    aligned = score(moved, truth, tree)
    return Geometry(fixed, aligned if aligned.chamfer < fixed.chamfer else fixed)


def score(predicted: Shape, truth: Shape, truth_tree: NearestPoints | None = None) -> GeometryScores:
    """Scores as the two shapes stand. `truth_tree` over truth.points saves building it again."""
    tree = NearestPoints(truth.points) if truth_tree is None else truth_tree
    to_truth, nearest_truth = tree.query(predicted.points)
    to_predicted, nearest_predicted = NearestPoints(predicted.points).query(truth.points)
    f_scores = [f_score(to_truth, to_predicted, threshold) for threshold in THRESHOLDS]
    cosines = [
        np.abs(np.einsum("pi,pi->p", predicted.normals, truth.normals[nearest_truth])).mean(),
        np.abs(np.einsum("pi,pi->p", truth.normals, predicted.normals[nearest_predicted])).mean(),
    ]
    return GeometryScores(
        f05=f_scores[0],
        f02=f_scores[1],
        f01=f_scores[2],
        chamfer=float((to_truth.mean() + to_predicted.mean()) / 2),
        iou=mask_iou(predicted.occupancy, truth.occupancy),
        normal_consistency=float(np.mean(cosines)),
    )


def f_score(
    to_truth: Float[np.ndarray, " a"], to_predicted: Float[np.ndarray, " b"], threshold: float
) -> float:
    """Harmonic mean of the shares of distances below the threshold."""
    precision, recall = (to_truth < threshold).mean(), (to_predicted < threshold).mean()
    return float(2 * precision * recall / max(precision + recall, 1e-12))


def mask_iou(a: Bool[np.ndarray, "*shape"], b: Bool[np.ndarray, "*shape"]) -> float:
    """Intersection over union; 1 for two empty masks."""
    union = np.count_nonzero(a | b)
    return float(np.count_nonzero(a & b) / union) if union else 1.0
