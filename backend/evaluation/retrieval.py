"""Baselines that know the training assets: their mean, and the nearest of them by image."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float32, UInt8
from skimage.feature import hog
from tqdm import tqdm

from backend.evaluation.baselines import mean_shape
from backend.evaluation.references import list_objects
from backend.evaluation.shape import MARGIN, RESOLUTION, shape_in_unit_box
from backend.geometry.cameras import orbit_cameras
from backend.training.assets import load_model
from backend.training.rendering import Renderer

AZIMUTHS = (-50.0, -30.0, -10.0, 10.0, 30.0, 50.0)
"""From where each training asset is seen, degrees; the reference views lie within these."""
ELEVATION, FOV = 15.0, 30.0
MEAN_OF = 200
"""Assets whose mean is the mean shape, evenly spread over the folder."""
_VERSION = 1
_FEATURES = 24 * 24 + 8 * 8 * 3 + 7 * 7 * 2 * 2 * 9


@dataclass(frozen=True)
class Gallery:
    """Training assets as descriptors, for each of AZIMUTHS, and as a mean occupancy."""

    revision: str
    """Changes with the assets."""
    paths: tuple[Path, ...]
    descriptors: Float32[np.ndarray, "asset azimuth feature"]
    mean_occupancy: Float32[np.ndarray, "n n n"]

    def nearest_by_image(self, image: UInt8[np.ndarray, "h w 4"]) -> Float32[np.ndarray, "face 3 3"]:
        """The asset whose view looks most like the image, turned as that view shows it."""
        distance = np.linalg.norm(self.descriptors - describe(image), axis=-1)
        asset, azimuth = np.unravel_index(distance.argmin(), distance.shape)
        return load_model(self.paths[asset]).turned(-AZIMUTHS[azimuth]).triangles

    def mean_shape(self) -> Float32[np.ndarray, "face 3 3"]:
        return mean_shape(self.mean_occupancy)


def describe(image: UInt8[np.ndarray, "h w 4"]) -> Float32[np.ndarray, " feature"]:
    """Silhouette, colours and edge directions of the object's box, each a unit vector times its weight.

    Infinite, hence nearest to nothing, for an image without an object.
    """
    solid = image[..., 3] * 2.0 > image[..., 3].max()
    rows, columns = np.flatnonzero(solid.any(1)), np.flatnonzero(solid.any(0))
    if not len(rows):
        return np.full(_FEATURES, np.inf, np.float32)
    box = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.float32) / 255
    side = max(box.shape[:2])
    square = np.zeros((side, side, 4), np.float32)
    top, left = (side - box.shape[0]) // 2, (side - box.shape[1]) // 2
    square[top : top + box.shape[0], left : left + box.shape[1]] = box
    square[..., :3] *= square[..., 3:]
    mask = cv2.resize(square[..., 3], (24, 24), interpolation=cv2.INTER_AREA)
    colour = cv2.resize(square[..., :3], (8, 8), interpolation=cv2.INTER_AREA)
    grey = cv2.resize(square, (64, 64), interpolation=cv2.INTER_AREA).mean(-1)
    edges = hog(grey, orientations=9, pixels_per_cell=(8, 8), cells_per_block=(2, 2))
    blocks = [(mask, 1.0), (colour, 0.5), (edges, 0.5)]
    return np.concatenate(
        [weight * block.ravel() / max(float(np.linalg.norm(block)), 1e-6) for block, weight in blocks]
    ).astype(np.float32)


def build_gallery(folder: Path, cache: Path) -> Gallery:
    """Render and voxelise the training assets once; later calls read the cache.

    Args:
        folder: GLBs.
        cache: where the result is kept, keyed by the folder's file names and sizes.
    """
    paths = list_objects(folder)
    listing = json.dumps([_VERSION, AZIMUTHS, [[path.name, path.stat().st_size] for path in paths]])
    revision = hashlib.sha256(listing.encode()).hexdigest()[:12]
    stored = cache / f"gallery_{revision}.npz"
    if not stored.exists():
        descriptors = []
        distance = 0.55 / np.sin(np.radians(FOV / 2))
        cameras = orbit_cameras(AZIMUTHS, [ELEVATION] * len(AZIMUTHS), float(distance), FOV)
        with Renderer(64, 2) as renderer:
            for path in tqdm(paths, desc="training assets", unit="asset"):
                rendered = renderer.render(load_model(path).in_sphere(), cameras)
                rgba = np.concatenate([rendered.rgb, rendered.alpha[..., None]], -1)
                descriptors.append([describe((view * 255).astype(np.uint8)) for view in rgba])
        mean = _mean_occupancy(list_objects(folder, MEAN_OF))
        cache.mkdir(parents=True, exist_ok=True)
        partial = stored.with_suffix(".partial.npz")
        np.savez(partial, descriptors=np.asarray(descriptors, np.float32), mean=mean)
        partial.rename(stored)
    with np.load(stored) as arrays:
        return Gallery(revision, tuple(paths), arrays["descriptors"], arrays["mean"])


def _mean_occupancy(paths: list[Path]) -> Float32[np.ndarray, "n n n"]:
    """Over assets turned as the evaluation's reference views turn them."""
    total = np.zeros((RESOLUTION,) * 3, np.float32)
    inner = (slice(MARGIN, -MARGIN),) * 3
    for index, path in enumerate(tqdm(paths, desc="mean shape", unit="asset")):
        turned = load_model(path).turned(-AZIMUTHS[index % len(AZIMUTHS)])
        total += shape_in_unit_box(turned.triangles, 20_000).occupancy[inner]
    return total / len(paths)
