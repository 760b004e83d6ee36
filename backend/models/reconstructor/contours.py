"""Outlines of antialiased silhouettes, to a fraction of a pixel, as signed distances."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

_CONTOUR_SIZE = 256
"""Masks are enlarged to this before their distance transform: coverage places the contour between pixels."""
_FAINTEST = 0.15
"""Coverage above its surroundings by which a part narrower than a pixel still counts."""


def contour_distance(alpha: Float[Tensor, "batch 6 h w"]) -> Float[Tensor, "batch 6 1 fine fine"]:
    """Signed distance in NDC to the outline, negative inside; not differentiable.

    The outline is where coverage is one half, and of parts too thin to get there, half of what they reach.
    """
    batch, views = alpha.shape[:2]
    coverage = alpha.detach().float()
    inside = (_enlarged(coverage) > 0.5) | (_enlarged(_thin_parts(coverage)) > 0.5)
    masks = inside.to(torch.uint8).cpu().numpy().reshape(-1, _CONTOUR_SIZE, _CONTOUR_SIZE)
    distances = [_signed_distance(mask) for mask in masks]
    ndc = torch.from_numpy(np.stack(distances)).to(alpha.device) * (2 / _CONTOUR_SIZE)
    return rearrange(ndc, "(b v) h w -> b v 1 h w", b=batch, v=views)


def _enlarged(maps: Float[Tensor, "batch 6 h w"]) -> Float[Tensor, "batch 6 fine fine"]:
    size = (_CONTOUR_SIZE, _CONTOUR_SIZE)
    return functional.interpolate(maps, size=size, mode="bilinear", align_corners=False)


def _thin_parts(coverage: Float[Tensor, "batch 6 h w"]) -> Float[Tensor, "batch 6 h w"]:
    """What is narrower than three pixels (the white top-hat), 1 along its ridge however faint that is."""
    eroded = -functional.max_pool2d(-coverage, 3, stride=1, padding=1)
    narrow = coverage - functional.max_pool2d(eroded, 3, stride=1, padding=1)
    ridge = functional.max_pool2d(narrow, 3, stride=1, padding=1)
    return torch.where(narrow > _FAINTEST, narrow / ridge.clamp_min(_FAINTEST), 0.0)


def _signed_distance(mask: np.ndarray) -> np.ndarray:
    """Exact Euclidean distance in pixels to the border between mask and background."""
    if not mask.any():
        return np.full(mask.shape, mask.shape[0], dtype=np.float32)
    if mask.all():
        return np.full(mask.shape, -float(mask.shape[0]), dtype=np.float32)
    outside = cv2.distanceTransform(1 - mask, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    within = cv2.distanceTransform(mask, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.where(mask > 0, 0.5 - within, outside - 0.5).astype(np.float32)
