"""Crumbs on a sampled solid: thin scraps that cling to it by one end."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32
from scipy import ndimage

MOST_SAMPLES = 40
"""What is thin and larger than this may be a leg or a mast."""
_FACES, _ALL = ndimage.generate_binary_structure(3, 1), ndimage.generate_binary_structure(3, 3)


def without_crumbs(grid: Float32[np.ndarray, "n n n"]) -> Float32[np.ndarray, "n n n"]:
    """The signed distances (negative inside) with the crumbs' samples turned outside.

    A crumb is what morphological opening takes off the solid, is small, and touches the rest in one place or
    none: scraps that join two places stay, or handles would break.
    """
    solid = grid < 0
    opened = ndimage.binary_opening(solid, _FACES)
    thin = solid & ~ndimage.binary_dilation(opened, _ALL)
    rest = np.pad(solid & ~thin, 1)
    labels, _ = ndimage.label(thin, _ALL)
    cleaned = grid.copy()
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        scrap = labels[box] == number
        if scrap.sum() > MOST_SAMPLES:
            continue
        around = tuple(slice(side.start, side.stop + 2) for side in box)
        touched = ndimage.binary_dilation(np.pad(scrap, 1), _ALL) & rest[around]
        if ndimage.label(touched, _ALL)[1] < 2:
            cleaned[box][scrap] = np.abs(grid[box][scrap])
    return cleaned
