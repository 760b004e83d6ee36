"""Roughness and metallic where the reconstructor has no material head.

A material model, where one is installed, looks at the six views, or at the reference on a route without
views; what it saw is projected onto the surface, and what nobody saw takes the median. Without a model the
surface is a matte dielectric. The asset says which it was.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float32

from backend.geometry.projection import Projection
from backend.models.interfaces import MaterialModel
from backend.pipeline.stage_data import Foreground, MaterialImages, MaterialSource, Progress, Views

DEFAULT_ROUGHNESS = 0.6
DEFAULT_METALLIC = 0.0
FROM_FIELD = MaterialSource("field")
DEFAULTS = MaterialSource("defaults", DEFAULT_ROUGHNESS, DEFAULT_METALLIC)
PROGRESS_SHARE = 0.15
"""Of the stage "textures"."""


def estimate_materials(
    foreground: Foreground, views: Views, model: MaterialModel | None, seed: int, progress: Progress
) -> MaterialImages | None:
    """What the model sees in the pictures of the object; None without a model."""
    if model is None:
        return None
    pictures = views.rgba.detach().float().cpu()
    if not len(pictures):
        pictures = torch.from_numpy(np.moveaxis(foreground.image, -1, 0).copy())[None]
    seen = model.estimate(
        pictures, seed=seed, on_fraction=lambda done: progress.advance("textures", PROGRESS_SHARE * done)
    )
    images = torch.cat([seen.float().cpu(), torch.zeros_like(pictures[:, :1]), pictures[:, 3:]], dim=1)
    return MaterialImages(images.permute(0, 2, 3, 1).contiguous().numpy(), model.name)


def spread_over_surface(
    seen: Projection, model: str
) -> tuple[Float32[np.ndarray, "texel 2"], MaterialSource]:
    """Roughness and metallic of every texel: those seen, feathered into the median of those seen."""
    trusted = seen.weight > 0.5
    common = (
        np.median(seen.colour[trusted, :2], axis=0)
        if trusted.any()
        else np.array([DEFAULT_ROUGHNESS, DEFAULT_METALLIC])
    ).astype(np.float32)
    values = common + (seen.colour[:, :2] - common) * seen.weight[:, None]
    return values.astype(np.float32), MaterialSource(model, float(common[0]), float(common[1]))
