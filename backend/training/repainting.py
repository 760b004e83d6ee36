"""Assets in patterns that their makers did not give them.

The assets are mostly of one colour a face, real objects seldom: a net that saw grain, print and dirt on
procedural shapes alone would take them for shape elsewhere.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from backend.training.assets import Model, Part, face_colours, srgb_to_linear
from backend.training.procedural.painting import box_uvs
from backend.training.procedural.textures import random_shading

_TEXTURE_SIDES = (0.2, 1.2)
"""Width of a pattern, as a share of the model's longest side."""


def in_patterns(model: Model, rng: np.random.Generator) -> Model:
    """Each part's colours, flat over every face, under a random pattern projected along the axes."""
    extent = float(np.ptp(model.bounds(), axis=0).max())
    return replace(model, parts=tuple(_patterned(part, extent, rng) for part in model.parts))


def _patterned(part: Part, extent: float, rng: np.random.Generator) -> Part:
    colour = face_colours(part)
    if part.texture is not None:
        colour = srgb_to_linear(colour) * part.colour.mean(axis=1)
    return replace(
        part,
        colour=np.repeat(colour[:, None], 3, axis=1).astype(np.float32),
        texture=random_shading(rng),
        uvs=box_uvs(part.positions, extent * rng.uniform(*_TEXTURE_SIDES)).astype(np.float32),
    )
