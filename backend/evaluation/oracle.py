"""The oracle nearest neighbour: of all training assets, in all yaws, the one nearest to the true shape.

No system that sees an image only can retrieve better; Tatarchenko et al. (CVPR 2019) compare with it. Every
asset and yaw is judged coarsely by distance fields, the best few exactly. The fixed frame decides:
after alignment another asset may be a little nearer.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32, UInt8
from scipy import ndimage
from tqdm import tqdm

from backend.evaluation.metrics import THRESHOLDS, f_score
from backend.evaluation.nearest import NearestPoints
from backend.evaluation.shape import Shape, place_points
from backend.training.assets import load_model, rotation_about_y

YAWS = tuple(15.0 * step for step in range(24))
"""Degrees: the assets' fronts are not known well enough to trust them."""
POINTS = 256
"""On each surface, for the coarse judgement."""
CELLS = 32
REACH = 0.56
"""The distance fields cover [-REACH, REACH]^3 around the unit box."""
FINALISTS = 32
FINALIST_POINTS = 10_000
SOFTNESS = 0.05
"""Distance at which a coarse hit counts 1 / e: the F-score's wider threshold."""
_VERSION = 1
_LEVELS = 255.0
"""Distances up to one side of the unit box, in eight bits."""


@dataclass(frozen=True)
class ShapeGallery:
    """Training assets in their own frame: bounding box centred at the origin, longest side 1."""

    paths: tuple[Path, ...]
    points: Float32[np.ndarray, "asset point 3"]
    distances: UInt8[np.ndarray, "asset cell"]
    """To the surface, over cells x, y, z in C order, in units of 1 / 255."""
    boxes: Float32[np.ndarray, "asset yaw 2 3"]
    """Lowest and highest corner after each yaw."""

    def nearest(self, truth: Shape) -> Float32[np.ndarray, "face 3 3"]:
        """The asset and yaw with the best F-score at 0.05 in the fixed frame; triangles, turned."""
        likeness = self._coarse_scores(truth)
        tree = NearestPoints(truth.points[:: max(1, len(truth.points) // FINALIST_POINTS)])
        best: tuple[float, np.ndarray | None] = (-1.0, None)
        for asset in likeness.max(axis=1).argsort()[::-1][:FINALISTS]:
            model = load_model(self.paths[asset]).turned(YAWS[likeness[asset].argmax()])
            score = _exact_score(model.triangles, tree)
            if score > best[0]:
                best = (score, model.triangles)
        assert best[1] is not None
        return best[1]

    def _coarse_scores(self, truth: Shape) -> Float[np.ndarray, "asset yaw"]:
        """A soft F-score: each point counts exp(-distance / SOFTNESS)."""
        field = distance_field(truth.points).astype(np.float32) / _LEVELS
        truth_points = truth.points[:: max(1, len(truth.points) // POINTS)][:POINTS]
        assets = np.arange(len(self.paths))[:, None]
        scores = np.empty((len(self.paths), len(YAWS)), np.float32)
        for index, yaw in enumerate(YAWS):
            turn = rotation_about_y(yaw).astype(np.float32)
            low, high = self.boxes[:, index, 0], self.boxes[:, index, 1]
            middle, side = (low + high)[:, None] / 2, (high - low).max(axis=1)[:, None, None]
            to_truth = field[cell_of((self.points @ turn.T - middle) / side)]
            back = (truth_points * side + middle) @ turn
            to_asset = self.distances[assets, cell_of(back)] / _LEVELS / side[..., 0]
            precision, recall = (np.exp(-d / SOFTNESS).mean(axis=1) for d in (to_truth, to_asset))
            scores[:, index] = 2 * precision * recall / np.maximum(precision + recall, 1e-9)
        return scores


def build_shape_gallery(paths: tuple[Path, ...], revision: str, cache: Path) -> ShapeGallery:
    """Read the assets once (some minutes for thousands); later calls read the cache.

    Args:
        revision: changes with the assets.
    """
    stored = cache / f"shapes_{revision}_{_VERSION}.npz"
    if not stored.exists():
        entries = [_entry(path) for path in tqdm(paths, desc="training shapes", unit="asset")]
        points, distances, boxes = (np.stack(column) for column in zip(*entries, strict=True))
        cache.mkdir(parents=True, exist_ok=True)
        partial = stored.with_suffix(".partial.npz")
        np.savez(partial, points=points, distances=distances, boxes=boxes)
        partial.rename(stored)
    with np.load(stored) as arrays:
        return ShapeGallery(paths, arrays["points"], arrays["distances"], arrays["boxes"])


def distance_field(points: Float32[np.ndarray, "point 3"]) -> UInt8[np.ndarray, " cell"]:
    """Distance of each cell to the nearest one that holds a surface point, in 1 / 255."""
    surface = np.zeros(CELLS**3, bool)
    surface[cell_of(points)] = True
    distance = ndimage.distance_transform_edt(~surface.reshape((CELLS,) * 3)) * (2 * REACH / CELLS)
    return (distance.clip(0, 1) * _LEVELS).round().astype(np.uint8).ravel()


def cell_of(points: Float32[np.ndarray, "*size 3"]) -> np.ndarray:
    """Index of the cell that holds each point, or of the nearest one at the border."""
    index = ((points + REACH) * (CELLS / (2 * REACH))).astype(np.int32).clip(0, CELLS - 1)
    return (index[..., 0] * CELLS + index[..., 1]) * CELLS + index[..., 2]


def _entry(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One asset's points, distances and boxes."""
    triangles = load_model(path).in_unit_box().triangles
    rng = np.random.default_rng(0)
    dense = _sample(triangles, 4_096, rng)
    corners = triangles.reshape(-1, 3)
    turned = [corners @ rotation_about_y(yaw).astype(np.float32).T for yaw in YAWS]
    boxes = np.stack([[corners.min(axis=0), corners.max(axis=0)] for corners in turned])
    return _sample(triangles, POINTS, rng), distance_field(dense), boxes.astype(np.float32)


def _exact_score(triangles: Float32[np.ndarray, "face 3 3"], truth: NearestPoints) -> float:
    corners = triangles.reshape(-1, 3)
    low, high = corners.min(axis=0), corners.max(axis=0)
    points = _sample(triangles, FINALIST_POINTS, np.random.default_rng(0))
    points = (points - (low + high) / 2) / max(float((high - low).max()), 1e-9)
    to_truth, _ = truth.query(points)
    to_asset, _ = NearestPoints(points).query(truth.points)
    return f_score(to_truth, to_asset, THRESHOLDS[0])


def _sample(
    triangles: Float32[np.ndarray, "face 3 3"], count: int, rng: np.random.Generator
) -> Float32[np.ndarray, "point 3"]:
    face, weights = place_points(triangles, count, rng)
    return np.einsum("pc,pcd->pd", weights, triangles[face]).astype(np.float32)
