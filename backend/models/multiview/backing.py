"""Cutting views out of the constant backing on which Zero123++ draws them.

The backing's grey is known, so alpha and colour follow from the matting equation (Smith and Blinn, "Blue
Screen Matting", SIGGRAPH 1996) once the colour of the object beside a rim pixel is taken for the rim's own.
What is cut out gives the drawn view again when it is put back on the backing, but for the backing's own
noise: a part of the object that looks like the backing may lose its alpha, never its colour on the backing.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32
from scipy import ndimage
from torch import Tensor

BACKING_NOISE = 4 / 255
"""Largest difference from the backing, in any channel, of what is the backing for certain."""
BACKING_SHADE = 10 / 255
"""The same for pixels connected to those: the VAE's ringing around the object."""
HOLE_SHARE = 0.005
"""Backing that the object encloses is a hole from this share of the view on; smaller spots are highlights."""
RIM = 2
"""Width in pixels of the zone inside the outline where object and backing may be mixed."""
LEAST_CONTRAST = 0.1
"""Difference of the object from the backing below which a mixture of the two cannot be resolved."""


def cut_out(
    views: Float[Tensor, "view 3 height width"], backing: float
) -> Float[Tensor, "view 4 height width"]:
    """Straight-alpha views of sRGB images in [0, 1] drawn on a grey level in [0, 1]."""
    images = views.detach().float().cpu().permute(0, 2, 3, 1).numpy()
    rgba = np.stack([_cut_out_one(image, backing) for image in images])
    return torch.from_numpy(rgba).permute(0, 3, 1, 2).to(views.device)


def put_back(
    rgba: Float[Tensor, "view 4 height width"], backing: float
) -> Float[Tensor, "view 3 height width"]:
    """Straight-alpha views on a grey level."""
    alpha = rgba[:, 3:]
    return rgba[:, :3] * alpha + backing * (1 - alpha)


def _cut_out_one(
    image: Float32[np.ndarray, "height width 3"], backing: float
) -> Float32[np.ndarray, "height width 4"]:
    difference = image - backing
    outside = _backing(np.abs(difference).max(axis=-1))
    alpha = _mixture(difference, outside)
    # As opaque as it takes to leave a colour that exists: neither below black nor above white.
    brighter, darker = difference.max(axis=-1), -difference.min(axis=-1)
    needed = np.maximum(brighter / max(1 - backing, 1e-6), darker / max(backing, 1e-6))
    alpha = np.where(outside, 0, np.maximum(alpha, np.minimum(needed, 1)))
    colour = backing + difference / np.maximum(alpha, 1e-6)[..., None]
    colour = np.where(outside[..., None], image, colour)
    return np.concatenate([colour.clip(0, 1), alpha[..., None]], axis=-1).astype(np.float32)


def _backing(contrast: Float32[np.ndarray, "height width"]) -> Bool[np.ndarray, "height width"]:
    """Pixels that show the backing: from the view's edge inwards, and through large enough holes."""
    certain, count = ndimage.label(contrast <= BACKING_NOISE)
    if count == 0:
        return np.zeros(contrast.shape, bool)
    sizes = np.bincount(certain.ravel(), minlength=count + 1)
    at_edge = np.unique(np.concatenate([certain[0], certain[-1], certain[:, 0], certain[:, -1]]))
    shown = sizes >= HOLE_SHARE * contrast.size
    shown[at_edge] = True
    shown[0] = False
    return ndimage.binary_propagation(shown[certain], mask=contrast <= BACKING_SHADE)


def _mixture(
    difference: Float32[np.ndarray, "height width 3"], outside: Bool[np.ndarray, "height width"]
) -> Float32[np.ndarray, "height width"]:
    """The object's share of each pixel: 1 inside; in the rim by its contrast beside the inner neighbour's."""
    inside = ndimage.binary_erosion(~outside, iterations=RIM, border_value=1)
    rim = ~outside & ~inside
    if not inside.any():
        return (~outside).astype(np.float32)
    nearest = ndimage.distance_transform_edt(~inside, return_distances=False, return_indices=True)
    own = difference[tuple(nearest)]
    strength = np.square(own).sum(axis=-1)
    share = (difference * own).sum(axis=-1) / np.maximum(strength, LEAST_CONTRAST**2)
    resolved = rim & (strength > LEAST_CONTRAST**2)
    return np.where(resolved, share.clip(0, 1), ~outside).astype(np.float32)
