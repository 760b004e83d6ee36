"""Object masks for images without alpha: U2-Net through rembg, and GrabCut."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from jaxtyping import Bool, Float32, UInt8
from PIL import Image

from backend.errors import ForegroundError, PackError
from backend.packs.catalogue import find_public_pack
from backend.packs.manifest import files_by_role, find_pack, installed_packs, sha256_of, verify

if TYPE_CHECKING:
    from rembg.sessions.u2net import U2netSession

FOREGROUND_PACK = "foreground"
"""The pack with U2-Net's weights (Qin et al. 2020)."""
WORKING_SIDE = 512
"""Longest side at which GrabCut runs; its mask is smoothed and enlarged to the image."""
MIN_CONTRAST = 4.0
"""Least distance of an object's colours from the background, in units of CIELAB (about two just noticeable
differences)."""


def salient_object_mask(rgb: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w"] | None:
    """U2-Net's soft mask; None where its weights are not on the machine.

    They come as a pack (`packs download foreground`); those that rembg has fetched before will do, too
    (REMBG_HOME, U2NET_HOME, ~/.u2net). Nothing is downloaded here.

    Raises:
        PackError: the weights are damaged.
    """
    weights = _u2net_weights()
    if weights is None:
        return None
    (mask,) = _u2net(weights).predict(Image.fromarray(rgb))
    return np.asarray(mask)


def _u2net_weights() -> Path | None:
    if FOREGROUND_PACK in installed_packs():
        folder = find_pack(FOREGROUND_PACK)
        verify(folder)
        return files_by_role(folder)["u2net"]
    present = _rembg_u2net().resolve_existing("u2net.onnx")
    if present is None:
        return None
    (wanted,) = find_public_pack(FOREGROUND_PACK).files
    if (found := sha256_of(Path(present))) != wanted.sha256:
        raise PackError(
            f"{present} is damaged: its sha256 is {found}, wanted {wanted.sha256}. Delete it (GrabCut is "
            "then used), or install the weights as a pack: python -m backend packs download foreground"
        )
    return Path(present)


def _u2net(weights: Path) -> U2netSession:
    from onnxruntime import SessionOptions

    class FromFile(_rembg_u2net()):  # type: ignore[misc]
        @classmethod
        def download_models(cls, *args: object, **kwargs: object) -> str:
            return str(weights)

    return FromFile("u2net", SessionOptions())


def _rembg_u2net() -> type[U2netSession]:
    import numba

    # Importing rembg has numba compile pymatting's matting (45 s on a first run), which is never called here.
    numba.config.DISABLE_JIT = True  # type: ignore[attr-defined]
    from rembg.sessions.u2net import U2netSession

    return U2netSession


def grabcut_mask(rgb: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w"]:
    """Mask of what differs from the background, the frame of the image being taken for background.

    Works on plain, shaded and mildly textured backgrounds. Its random numbers are seeded: it repeats exactly.

    Raises:
        ForegroundError: nothing stands out from the background.
    """
    height, width = rgb.shape[:2]
    scale = min(1.0, WORKING_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    contrast, even = _contrast_to_border(small)
    labels = _initial_labels(contrast, even)
    cv2.setRNGSeed(0)
    background, foreground = np.zeros((1, 65)), np.zeros((1, 65))
    bgr = np.ascontiguousarray(small[..., ::-1])
    cv2.grabCut(bgr, labels, (0, 0, 0, 0), background, foreground, 5, cv2.GC_INIT_WITH_MASK)
    found = (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)
    return _enlarge(_fill_unlike_background(found, contrast), width, height)


def _initial_labels(contrast: Float32[np.ndarray, "h w"], even: bool) -> UInt8[np.ndarray, "h w"]:
    """GrabCut's start: what contrasts is likely object, what contrasts strongly is object for certain.

    The outermost pixels are background for certain and, before an even background, so is what looks like it.
    """
    margin = max(2, round(0.015 * max(contrast.shape)))
    strongest = float(np.percentile(contrast[margin:-margin, margin:-margin], 99.9))
    if strongest < MIN_CONTRAST:
        raise ForegroundError(
            "No object was found: nothing in the image stands out from its border. Use a picture of one "
            "object on a background of another colour, or a PNG with transparency."
        )
    levels = np.clip(contrast / strongest * 255, 0, 255).astype(np.uint8)
    otsu, _ = cv2.threshold(levels, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    likely = contrast > min(otsu / 255 * strongest, MIN_CONTRAST)
    certain = contrast > max(0.6 * otsu / 255 * strongest, 3 * MIN_CONTRAST)
    labels = np.full(contrast.shape, cv2.GC_PR_BGD, np.uint8)
    if even:
        labels[contrast < 0.25 * MIN_CONTRAST] = cv2.GC_BGD
    # Opened, so that single noisy pixels teach the object's colours nothing.
    labels[_opened(likely)] = cv2.GC_PR_FGD
    labels[_opened(certain)] = cv2.GC_FGD
    frame = np.ones(contrast.shape, bool)
    frame[margin:-margin, margin:-margin] = False
    labels[frame] = cv2.GC_BGD
    return labels


def _opened(mask: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    return cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)) > 0


def _fill_unlike_background(
    found: Bool[np.ndarray, "h w"], contrast: Float32[np.ndarray, "h w"]
) -> UInt8[np.ndarray, "h w"]:
    """Holes are filled unless they show the background: a window stays, the gap of a handle stays a gap."""
    count, labels = cv2.connectedComponents((~found).astype(np.uint8), connectivity=4)
    border = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    filled = found.copy()
    for label in np.setdiff1d(np.arange(1, count), border):
        hole = labels == label
        if np.median(contrast[hole]) > 0.5 * MIN_CONTRAST:
            filled |= hole
    return filled.astype(np.uint8) * 255


def _contrast_to_border(rgb: UInt8[np.ndarray, "h w 3"]) -> tuple[Float32[np.ndarray, "h w"], bool]:
    """CIELAB distance of each pixel from the background as the border shows it, beyond the border's spread.

    Also tells whether the background is even: plain or smoothly shaded.

    Two models of the background, of which the nearer counts: a colour that varies smoothly over the image (a
    quadratic, for light that falls off) and a handful of constant colours (for a wall above a floor).
    """
    blurred = cv2.GaussianBlur(rgb, (0, 0), 1.0).astype(np.float32) / 255
    lab = cv2.cvtColor(blurred, cv2.COLOR_RGB2LAB)
    height, width = lab.shape[:2]
    y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    powers = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], -1).reshape(-1, 6)
    band = max(3, round(0.04 * max(height, width)))
    border = np.ones((height, width), bool)
    border[band:-band, band:-band] = False
    flat, on_border = lab.reshape(-1, 3), border.ravel()

    kept = on_border.copy()
    for _ in range(4):  # least squares with the worst fifth left out: the object may touch the border
        coefficients, *_ = np.linalg.lstsq(powers[kept], flat[kept], rcond=None)
        smooth = np.linalg.norm(flat - powers @ coefficients, axis=1)
        kept = on_border & (smooth <= np.percentile(smooth[on_border], 80))
    centres = _common_colours(flat[on_border])
    constant = np.linalg.norm(flat[:, None] - centres, axis=-1).min(1)

    spreads = [float(np.percentile(distance[on_border], 90)) for distance in (smooth, constant)]
    beyond = np.minimum(smooth - spreads[0], constant - spreads[1]).clip(0)
    return beyond.reshape(height, width).astype(np.float32), spreads[0] < 0.5 * MIN_CONTRAST


def _common_colours(
    samples: Float32[np.ndarray, "sample 3"], count: int = 4
) -> Float32[np.ndarray, "colour 3"]:
    """Cluster centres that own at least a tenth of the samples each."""
    cv2.setRNGSeed(0)
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 20, 0.5)
    owners = np.zeros((len(samples), 1), np.int32)
    _, found, centres = cv2.kmeans(samples, count, owners, criteria, 2, cv2.KMEANS_PP_CENTERS)
    shares = np.bincount(np.asarray(found).ravel(), minlength=count) / len(samples)
    return np.asarray(centres, np.float32)[shares > 0.1]


def _enlarge(mask: UInt8[np.ndarray, "h w"], width: int, height: int) -> UInt8[np.ndarray, "height width"]:
    """A binary mask to the image's size with a soft edge about one working pixel wide."""
    soft = cv2.GaussianBlur(mask, (0, 0), 0.7)
    return cv2.resize(soft, (width, height), interpolation=cv2.INTER_CUBIC)
