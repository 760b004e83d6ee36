"""Pixels as the DINO encoders take them."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

IMAGE_MEAN = (0.485, 0.456, 0.406)
IMAGE_STD = (0.229, 0.224, 0.225)


def normalise(images: Float[Tensor, "image 3 height width"]) -> Float[Tensor, "image 3 height width"]:
    """sRGB in [0, 1] by ImageNet's mean and deviation."""
    mean, std = (images.new_tensor(values)[:, None, None] for values in (IMAGE_MEAN, IMAGE_STD))
    return (images - mean) / std
