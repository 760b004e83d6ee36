"""Stage 3: world-frame normals (and depth, where the pack predicts it) for the six views."""

from __future__ import annotations

import torch
from torch import Tensor

from backend.device import autocast
from backend.packs.loading import Pack
from backend.pipeline.stage_data import Foreground, NormalViews, Options, Progress, Views
from backend.pipeline.views import reference_tensor, to_bytes


def generate_normals(
    foreground: Foreground, views: Views, pack: Pack, options: Options, progress: Progress
) -> NormalViews:
    """Run the normal ControlNet over the RGB views. The object's outline is the RGB views' alpha."""
    model = pack.normals
    alpha = views.rgba[:, 3:]

    def on_step(done: int, total: int, normals: Tensor) -> None:
        if done == total:
            for index, normal in enumerate(normals):
                mapped = torch.cat([normal * 0.5 + 0.5, alpha[index]])
                progress.preview(f"views/normal_{index}.png", to_bytes(mapped))
        progress.advance("normals", done / total)

    with autocast(pack.device):
        normals, depth = model.generate(
            reference_tensor(foreground, pack.multiview.reference_size).to(pack.device),
            views.rgba,
            steps=model.default_steps,
            seed=options.seed,
            on_step=on_step,
        )
    return NormalViews(normals * (alpha > 0), depth)
