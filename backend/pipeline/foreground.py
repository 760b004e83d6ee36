"""Stage 1: cut the object out of the reference image and frame it.

Three ways to a mask, tried in this order: the image's own alpha; U2-Net through rembg, where its weights are
at hand; GrabCut (Rother et al., SIGGRAPH 2004), which needs a background that differs from the object. The
result says which one it was.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from jaxtyping import Bool, Float32, UInt8
from scipy import ndimage

from backend.errors import ForegroundError
from backend.pipeline.segmentation import grabcut_mask, salient_object_mask
from backend.pipeline.stage_data import Foreground, Progress

MAX_CROP = 1024
"""Longest side of the crop, pixels; larger ones are reduced."""
MIN_OBJECT_SIDE = 12
"""A box smaller than this on its longest side is taken for a speck, not an object."""
TRANSPARENT_SHARE = 0.002
"""Share of pixels that must be transparent for the alpha to count as a cut-out, not as rounded corners."""
WHOLE_FRAME_SHARE = 0.985
"""A segmented mask that covers more than this of the frame has found no background."""
COMPONENT_SHARE = 0.02
"""Pieces smaller than this share of the largest one are dropped from segmented masks."""


def extract_foreground(
    image: UInt8[np.ndarray, "h w 4"],
    *,
    fill: float = 0.85,
    progress: Progress,
) -> Foreground:
    """Cut out the object; centre its box in a square of the box's longest side divided by `fill`.

    The crop keeps the source's resolution up to MAX_CROP. Colours are straight (not multiplied by alpha) and
    are continued under transparent pixels, so that later resampling draws no dark or background-coloured rim.

    Raises:
        ForegroundError: the image is fully transparent, nothing stands out, or no background is left.
        PackError: U2-Net's weights are on the machine but damaged.
    """
    progress.advance("foreground", 0.0)
    rgb, given_alpha = image[..., :3], image[..., 3]
    if not given_alpha.any():
        raise ForegroundError(
            "The image is fully transparent. Use a picture in which the object is visible, or export it "
            "again with the layer switched on."
        )
    if (given_alpha < 128).mean() >= TRANSPARENT_SHARE:
        method, alpha = "alpha", given_alpha
    else:
        learned = salient_object_mask(rgb)
        method, alpha = ("grabcut", grabcut_mask(rgb)) if learned is None else ("rembg", learned)
        alpha = _keep_main_components(alpha)
    progress.advance("foreground", 0.8)
    _check_object(alpha, method)
    crop = _crop_square(image[..., :3], alpha, fill)
    if method != "alpha":
        crop = _decontaminate(crop)
    result = Foreground(_reduce(_continue_colours(crop)), fill, method)
    progress.advance("foreground", 1.0)
    return result


def _check_object(alpha: UInt8[np.ndarray, "h w"], method: str) -> None:
    solid = alpha >= 128
    rows, columns = np.flatnonzero(solid.any(1)), np.flatnonzero(solid.any(0))
    longest = max(np.ptp(rows), np.ptp(columns)) + 1 if len(rows) else 0
    if longest < MIN_OBJECT_SIDE:
        raise ForegroundError(
            f"No object was found in the image (what stands out measures {longest} pixels; method: {method})."
            " Use a picture with one object that stands out from its background, or cut it out yourself and "
            "save it as a PNG with transparency."
        )
    if method != "alpha" and solid.mean() > WHOLE_FRAME_SHARE:
        raise ForegroundError(
            f"No background was found: the object seems to fill the whole picture (method: {method}). "
            "Use a picture that shows the whole object with some background around it, or a PNG with "
            "transparency."
        )


def _keep_main_components(alpha: UInt8[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w"]:
    """Drop specks, fill pinholes; soft edges of what stays are kept."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        (alpha >= 128).astype(np.uint8), connectivity=8
    )
    if count <= 1:
        return alpha
    areas = stats[1:, cv2.CC_STAT_AREA]
    kept = np.isin(labels, 1 + np.flatnonzero(areas >= COMPONENT_SHARE * areas.max()))
    soft_reach = max(2, round(max(alpha.shape) / 200))
    near = cv2.dilate(kept.astype(np.uint8), np.ones((2 * soft_reach + 1,) * 2, np.uint8))
    alpha = np.where(near > 0, alpha, 0).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats((alpha < 128).astype(np.uint8), connectivity=4)
    pinhole = stats[:, cv2.CC_STAT_AREA] < 2e-4 * kept.sum()
    pinhole[0] = False  # label 0 is the object itself
    return np.where(pinhole[labels], np.uint8(255), alpha)


def _crop_square(
    rgb: UInt8[np.ndarray, "h w 3"], alpha: UInt8[np.ndarray, "h w"], fill: float
) -> Float32[np.ndarray, "side side 4"]:
    """The square around the object's box in [0, 1], transparent where it reaches beyond the picture."""
    solid = alpha >= 128
    rows, columns = np.flatnonzero(solid.any(1)), np.flatnonzero(solid.any(0))
    height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
    side = math.ceil(max(height, width) / fill)
    top = int(rows[0]) - (side - int(height)) // 2
    left = int(columns[0]) - (side - int(width)) // 2
    y0, x0 = max(top, 0), max(left, 0)
    y1, x1 = min(top + side, alpha.shape[0]), min(left + side, alpha.shape[1])
    crop = np.zeros((side, side, 4), np.float32)
    inside = crop[y0 - top : y1 - top, x0 - left : x1 - left]
    np.divide(rgb[y0:y1, x0:x1], 255, out=inside[..., :3], dtype=np.float32)
    np.divide(alpha[y0:y1, x0:x1], 255, out=inside[..., 3], dtype=np.float32)
    return crop


def _decontaminate(crop: Float32[np.ndarray, "side side 4"]) -> Float32[np.ndarray, "side side 4"]:
    """Colours of the rim, where object and background are mixed, taken from just inside the object.

    The rim is every pixel that is not wholly inside, and two pixels more: photographs and JPEG blur that far.
    """
    inside = cv2.erode((crop[..., 3] > 0.95).astype(np.uint8), np.ones((5, 5), np.uint8))
    # A part thinner than the rim would lose all its colour: what is far from any inside keeps its own.
    reach = max(6, len(crop) // 60)
    near = cv2.dilate(inside, np.ones((2 * reach + 1,) * 2, np.uint8)) > 0
    trusted = (inside > 0) | (~near & (crop[..., 3] > 0.5))
    return _spread(crop, trusted)


def _continue_colours(crop: Float32[np.ndarray, "side side 4"]) -> Float32[np.ndarray, "side side 4"]:
    return _spread(crop, crop[..., 3] > 0)


def _spread(
    crop: Float32[np.ndarray, "side side 4"], trusted: Bool[np.ndarray, "side side"]
) -> Float32[np.ndarray, "side side 4"]:
    """Every pixel that is not trusted takes the colour of the nearest trusted one; alpha stays."""
    if trusted.all() or not trusted.any():
        return crop
    nearest = ndimage.distance_transform_edt(~trusted, return_distances=False, return_indices=True)
    spread = crop.copy()
    spread[..., :3] = crop[..., :3][tuple(nearest)]
    return spread


def _reduce(crop: Float32[np.ndarray, "side side 4"]) -> Float32[np.ndarray, "size size 4"]:
    """Area average down to MAX_CROP, colours weighted by alpha; never enlarged."""
    if len(crop) <= MAX_CROP:
        return crop
    size = (MAX_CROP, MAX_CROP)
    plain = cv2.resize(crop, size, interpolation=cv2.INTER_AREA)
    weighted = cv2.resize(crop[..., :3] * crop[..., 3:], size, interpolation=cv2.INTER_AREA)
    alpha = plain[..., 3:]
    plain[..., :3] = np.where(alpha > 1e-3, weighted / np.maximum(alpha, 1e-3), plain[..., :3])
    return np.clip(plain, 0, 1)
