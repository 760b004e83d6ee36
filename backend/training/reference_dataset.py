"""Reference images with their object coordinates, many to a model and cheap: no views, no point labels.

The coordinate net learns from these. They are rendered at the resolution that it reads, far more of them than
there are full samples (`dataset.py`), from the same models in the same light.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.data import Dataset
from tqdm import tqdm

from backend.training.dataset import REFERENCE_SIZE, VIEW_SIZE, is_validation
from backend.training.loop import stack_fields
from backend.training.render_dataset import (
    PROCEDURAL_SHARE,
    Source,
    draw_model,
    list_sources,
    render_reference,
)
from backend.training.rendering import Renderer
from backend.training.shards import read_shards, shard_path, writing_shard

IMAGES_PER_MODEL = 4
MODELS_PER_SHARD = 250
_CHANNELS: dict[str, tuple[tuple[int, ...], str]] = {
    "rgba": ((REFERENCE_SIZE, REFERENCE_SIZE, 4), "u1"),
    "front": ((VIEW_SIZE, VIEW_SIZE, 3), "f2"),
    "back": ((VIEW_SIZE, VIEW_SIZE, 3), "f2"),
    "elevation": ((), "f4"),
}


@dataclass(frozen=True)
class ReferenceExample:
    """One image, its camera at azimuth 0; as the fields of the same names in `dataset.Example`."""

    reference_rgba: Float[Tensor, "4 h w"]
    reference_front: Float[Tensor, "3 h/2 w/2"]
    reference_back: Float[Tensor, "3 h/2 w/2"]
    elevation: Float[Tensor, ""]


class HasReference(Protocol):
    """What the coordinate net learns from: a `ReferenceExample`, or a whole `dataset.Example`."""

    @property
    def reference_rgba(self) -> Tensor: ...
    @property
    def reference_front(self) -> Tensor: ...
    @property
    def reference_back(self) -> Tensor: ...
    @property
    def elevation(self) -> Tensor: ...


@dataclass(frozen=True)
class ReferenceBatch:
    """Examples stacked along a first axis."""

    reference_rgba: Float[Tensor, "batch 4 h w"]
    reference_front: Float[Tensor, "batch 3 h/2 w/2"]
    reference_back: Float[Tensor, "batch 3 h/2 w/2"]
    elevation: Float[Tensor, " batch"]

    @classmethod
    def stack(cls, examples: Sequence[HasReference], device: torch.device) -> ReferenceBatch:
        return cls(**stack_fields(cls, examples, device))


class ReferenceDataset(Dataset[HasReference]):
    """The shards below a folder; every image also mirrored left to right."""

    def __init__(self, folder: Path, *, validation: bool) -> None:
        self._arrays: list[dict[str, np.ndarray]] = []
        self._images: list[tuple[int, int]] = []
        for shard, (arrays, index) in enumerate(read_shards(folder, _CHANNELS)):
            self._arrays.append(arrays)
            self._images += [
                (shard, row) for row, pack in enumerate(index["packs"]) if is_validation(pack) == validation
            ]
        if not self._images:
            raise FileNotFoundError(
                f"{folder} holds no {'validation' if validation else 'training'} images. "
                "Render some first: python -m backend train references --data DIR"
            )

    def __len__(self) -> int:
        return 2 * len(self._images)

    def __getitem__(self, index: int) -> ReferenceExample:
        shard, row = self._images[index // 2]
        mirrored = index % 2 == 1
        arrays = self._arrays[shard]

        def image(name: str, sign: tuple[int, ...], scale: float) -> Tensor:
            values = arrays[name][row].astype(np.float32) * np.float32(scale)
            if mirrored:
                values = values[:, ::-1] * np.array(sign, dtype=np.float32)
            return torch.from_numpy(np.moveaxis(values, -1, 0).copy())

        return ReferenceExample(
            image("rgba", (1, 1, 1, 1), 1 / 255),
            image("front", (-1, 1, 1), 1.0),
            image("back", (-1, 1, 1), 1.0),
            torch.tensor(float(arrays["elevation"][row])),
        )


def render_references(
    data: Sequence[Path], folder: Path, *, images: int, worker: int, workers: int, seed: int
) -> None:
    """Render `images` reference images into shards; worker i of n takes every n-th shard.

    Args:
        data: folders of GLBs with index.csv.
        folder: where the shards go; those that are there already stay.
        images: rounded up to whole models.
    """
    rng = np.random.default_rng(seed)
    wanted = -(-images // IMAGES_PER_MODEL)
    sources: list[Source] = []
    while len(sources) < wanted:
        sources += list_sources(data, PROCEDURAL_SHARE, rng)
    sources = sources[:wanted]
    for number in range(worker, -(-wanted // MODELS_PER_SHARD), workers):
        models = sources[number * MODELS_PER_SHARD : (number + 1) * MODELS_PER_SHARD]
        _render_shard(folder, number, models, seed)


def _render_shard(folder: Path, number: int, sources: list[Source], seed: int) -> None:
    if shard_path(folder, number).exists():
        return
    packs = [source.pack for source in sources for _ in range(IMAGES_PER_MODEL)]
    with (
        writing_shard(folder, number, len(packs), _CHANNELS, {"seed": seed, "packs": packs}) as arrays,
        Renderer(REFERENCE_SIZE) as renderer,
    ):
        for i, source in enumerate(tqdm(sources, desc=f"references {number}", unit="model")):
            rng = np.random.default_rng([seed, number, i, 1])
            model = draw_model(source, rng)
            for row in range(i * IMAGES_PER_MODEL, (i + 1) * IMAGES_PER_MODEL):
                turned = model.turned(rng.uniform(0, 360))
                for name, value in render_reference(turned, 0.0, renderer, rng).items():
                    arrays[name][row] = value
