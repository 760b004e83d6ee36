"""Generated views as the reconstructor's training input, so that it meets at inference what it has seen.

One-2-3-45 (arXiv 2306.16928) trains on such a mix as well. The views are generated once, without guidance and
in few steps, and stored beside the rendered samples whose points they share.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from backend.device import autocast
from backend.packs.loading import Pack
from backend.training.dataset import Example, RenderedDataset

_VIEW_STEPS, _NORMAL_STEPS = 2, 1
_CHUNK = 25


def generate_views_of(
    pack: Pack, data: RenderedDataset, folder: Path, *, count: int, worker: int, workers: int
) -> None:
    """Run the view and normal models over `count` samples of `data`, in chunks that are never half written.

    Worker i of n takes every n-th chunk; finished chunks are skipped, so a stopped run goes on.
    """
    folder.mkdir(parents=True, exist_ok=True)
    chosen = np.random.default_rng(0).permutation(len(data))[:count]
    numbers = range(worker, -(-len(chosen) // _CHUNK), workers)
    for number in tqdm(numbers, desc="generate", unit="chunk"):
        target = folder / f"chunk_{number:05d}.npz"
        if target.exists():
            continue
        indices = chosen[number * _CHUNK : (number + 1) * _CHUNK]
        views = [_generate(pack, data[int(index)], seed=int(index)) for index in indices]
        partial = folder / f"partial_{number:05d}.npz"
        np.savez(
            partial,
            indices=indices,
            rgba=np.stack([v[0] for v in views]),
            normal=np.stack([v[1] for v in views]),
            depth=np.stack([v[2] for v in views]),
        )
        partial.replace(target)


def _generate(pack: Pack, example: Example, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    reference = example.reference_rgba.to(pack.device)

    def ignore(done: int, total: int, images: torch.Tensor) -> None:
        """Nobody watches."""

    with autocast(pack.device):
        views = pack.multiview.generate(reference, steps=_VIEW_STEPS, guidance=1.0, seed=seed, on_step=ignore)
        normals, depth = pack.normals.generate(
            reference, views.rgba, steps=_NORMAL_STEPS, seed=seed, on_step=ignore
        )
    if depth is None:
        depth = torch.zeros_like(normals[:, 0])
    normals = normals * (views.rgba[:, 3:] > 0)
    return (
        (views.rgba * 255).round().byte().cpu().numpy(),
        (normals * 127).round().to(torch.int8).cpu().numpy(),
        depth.half().cpu().numpy(),
    )


class MixedViews:
    """Samples of a rendered dataset, every other one with generated views in place of its true ones."""

    def __init__(self, data: RenderedDataset, folder: Path) -> None:
        self._data = data
        chunks = [np.load(path) for path in sorted(folder.glob("chunk_*.npz"))]
        if not chunks:
            raise FileNotFoundError(
                f"{folder} holds no generated views. Make some first: python -m backend train generate"
            )
        self._indices, self._rgba, self._normal, self._depth = (
            np.concatenate([chunk[name] for chunk in chunks])
            for name in ("indices", "rgba", "normal", "depth")
        )

    def __len__(self) -> int:
        return 2 * len(self._indices)

    def __getitem__(self, index: int) -> Example:
        row, is_true = divmod(index, 2)
        if is_true:
            # A stride prime to the length walks through all samples, not only the generated ones' own.
            return self._data[(index * 7919) % len(self._data)]
        return replace(
            self._data[int(self._indices[row])],
            view_rgba=torch.from_numpy(self._rgba[row].astype(np.float32) / 255),
            view_normal=torch.from_numpy(self._normal[row].astype(np.float32) / 127),
            view_depth=torch.from_numpy(self._depth[row].astype(np.float32)),
        )
