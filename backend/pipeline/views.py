"""Stage 2: six RGB views of the object."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from backend.device import autocast
from backend.models.layers.pixels import shrink
from backend.packs.loading import Pack
from backend.pipeline.stage_data import Foreground, Options, Progress, Views

_PREVIEW_EVERY = 3
"""Denoising steps between two previews."""


def generate_views(foreground: Foreground, pack: Pack, options: Options, progress: Progress) -> Views:
    """Denoise the six views, conditioned on the foreground crop. Equal seeds give equal views."""
    model = pack.multiview

    def on_step(done: int, total: int, images: Tensor) -> None:
        if done % _PREVIEW_EVERY == 0 or done == total:
            for index, image in enumerate(images):
                progress.preview(f"views/rgb_{index}.png", to_bytes(image))
        progress.advance("views", done / total)

    with autocast(pack.device):
        generated = model.generate(
            reference_tensor(foreground, model.reference_size).to(pack.device),
            steps=options.steps or model.default_steps,
            guidance=model.default_guidance if options.guidance is None else options.guidance,
            seed=options.seed,
            on_step=on_step,
        )
    return Views(generated.rgba, model.cameras.to(pack.device), generated.elevation_degrees, generated.seen)


def reference_tensor(foreground: Foreground, size: int) -> Float[Tensor, "4 size size"]:
    """The crop at the models' resolution."""
    return shrink(torch.from_numpy(np.moveaxis(foreground.image, -1, 0).copy())[None], size)[0]


def to_bytes(image: Float[Tensor, "c h w"]) -> UInt8[np.ndarray, "h w c"]:
    """[0, 1] to eight bits, channels last."""
    scaled = (image.detach().float().clamp(0, 1) * 255).round().to(torch.uint8)
    return scaled.permute(1, 2, 0).contiguous().cpu().numpy()
