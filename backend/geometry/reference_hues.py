"""Hues for pictures of an object, taken from another picture of it."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float32
from scipy.spatial.distance import cdist
from skimage.color import lab2rgb, rgb2lab

SAMPLES = 256
"""Pixels of the reference that are looked at."""
OPAQUE = 0.9
"""Alpha from which a pixel's colour is the object's own."""
REACH = 8.0
"""Standard deviation of the Gaussian over differences of colour, CIELAB units."""
LIGHTNESS_WEIGHT = 0.3
"""Of a difference in lightness, which light and shade make, beside one in hue and chroma."""


def take_hues(
    rgba: Float32[np.ndarray, "*size 4"], reference: Float32[np.ndarray, "h w 4"]
) -> Float32[np.ndarray, "*size 4"]:
    """`rgba` with the hue and saturation that the reference has near each colour; lightness and alpha stay.

    A kernel average over the reference's colours in CIELAB (one step of the mean shift of Comaniciu and Meer
    2002, towards another picture's colours). Chroma goes with lightness, as it does from light to shade. Both
    are sRGB with straight alpha in [0, 1]. Without an opaque pixel in the reference nothing changes.
    """
    opaque = reference[reference[..., 3] > OPAQUE]
    if not len(opaque):
        return rgba
    chosen = np.linspace(0, len(opaque) - 1, min(SAMPLES, len(opaque))).astype(int)
    palette = _lab(opaque[chosen, :3])
    visible = rgba[..., 3] > 0
    present = _lab(rgba[visible][:, :3])
    scale = np.array([LIGHTNESS_WEIGHT, 1, 1])
    squared = cdist(present * scale, palette * scale, "sqeuclidean")
    # The nearest colour always has a say, however far away it is.
    weight = np.exp((squared.min(1, keepdims=True) - squared) / (2 * REACH**2))
    saturation = weight @ (palette[:, 1:] / palette[:, :1].clip(1)) / weight.sum(1, keepdims=True)
    lightness = present[:, :1]
    changed = rgba.copy()
    changed[visible, :3] = lab2rgb(np.concatenate([lightness, saturation * lightness], axis=1)).clip(0, 1)
    return changed


def _lab(rgb: Float32[np.ndarray, "pixel 3"]) -> Float[np.ndarray, "pixel 3"]:
    converted: np.ndarray = rgb2lab(rgb)
    return converted
