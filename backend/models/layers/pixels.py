"""Pixels as the models take them."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional

IMAGE_MEAN = (0.485, 0.456, 0.406)
IMAGE_STD = (0.229, 0.224, 0.225)


def shrink(rgba: Float[Tensor, "image 4 h w"], size: int) -> Float[Tensor, "image 4 size size"]:
    """Straight-alpha images in [0, 1] at a smaller size, colours averaged under their alpha: no fringe."""
    premultiplied = torch.cat([rgba[:, :3] * rgba[:, 3:], rgba[:, 3:]], dim=1)
    small = functional.interpolate(premultiplied, (size, size), mode="bilinear", antialias=True)
    return torch.cat([small[:, :3] / small[:, 3:].clamp_min(1e-4), small[:, 3:]], dim=1).clamp(0, 1)


def normalise(images: Float[Tensor, "image 3 height width"]) -> Float[Tensor, "image 3 height width"]:
    """sRGB in [0, 1] by ImageNet's mean and deviation."""
    mean, std = (images.new_tensor(values)[:, None, None] for values in (IMAGE_MEAN, IMAGE_STD))
    return (images - mean) / std


def frame_foreground(
    rgba: UInt8[np.ndarray, "height width 4"], fill: float
) -> UInt8[np.ndarray, "side side 4"]:
    """The object's box centred in a transparent square of which its longer side fills `fill`.

    The box ends before the last row and column of the object, as it did when the public weights were made;
    what arithmetic leaves odd goes below and to the right.
    """
    rows, columns = np.nonzero(rgba[..., 3])
    crop = rgba[rows.min() : rows.max(), columns.min() : columns.max()]
    # In two steps: the odd pixel of each goes its own way.
    longest = max(crop.shape[:2])
    return _pad_to(_pad_to(crop, longest), int(longest / fill))


def centre_object(
    rgba: UInt8[np.ndarray, "height width 4"], side: int, fill: float
) -> UInt8[np.ndarray, "side side 4"]:
    """The object's box scaled so that its longer side fills `fill` of a transparent square of `side` pixels.

    Ends and roundings are `frame_foreground`'s; scaled by area, as OpenLRM's preprocessing does.
    """
    rows, columns = np.nonzero(rgba[..., 3])
    crop = rgba[rows.min() : rows.max(), columns.min() : columns.max()]
    scale = int(side * fill) / max(crop.shape[:2])
    height, width = (max(1, int(length * scale)) for length in crop.shape[:2])
    return _pad_to(cv2.resize(crop, (width, height), interpolation=cv2.INTER_AREA), side)


def composite_grey(
    rgba: UInt8[np.ndarray, "height width 4"], grey: float
) -> UInt8[np.ndarray, "height width 3"]:
    """Straight alpha over a grey in [0, 1], truncated to eight bits."""
    values = rgba.astype(np.float32) / 255
    alpha = values[..., 3:]
    return ((values[..., :3] * alpha + (1 - alpha) * grey) * 255).astype(np.uint8)


def _pad_to(image: UInt8[np.ndarray, "height width 4"], side: int) -> UInt8[np.ndarray, "side side 4"]:
    before = [(side - length) // 2 for length in image.shape[:2]]
    widths = [(b, side - length - b) for b, length in zip(before, image.shape[:2], strict=True)]
    return np.pad(image, [*widths, (0, 0)])
