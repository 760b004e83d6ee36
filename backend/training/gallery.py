"""Pictures of what the models learn from: one sheet a source, a row an object, a column a channel."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw
from tqdm import tqdm

from backend.training.assets import Model
from backend.training.lighting import random_environment_lighting
from backend.training.procedural import FAMILIES, random_model
from backend.training.render_dataset import (
    Source,
    draw_model,
    jittered_camera,
    posed,
    read_index,
    reference_camera,
)
from backend.training.rendering import Renderer

TILE = 96
OBJECTS = 8
_HEADER = 14
_GAP = 4
_PAPER = 0.96
_COLUMNS = ("reference", "reference", "even light", "albedo", "normal", "roughness", "metallic")
_MAKERS = {
    "kaykit": "kaykit",
    "quaternius)": "quaternius",
    "kenney": "kenney",
    "aws-robotics": "aws robomaker",
    "sweet home 3d": "sweet home 3d",
    "flightgear": "flightgear",
}
"""What in an asset's `source_repo`, in small letters, names its maker; the first that fits counts."""


def write_gallery(data: Sequence[Path], folder: Path, seed: int = 0) -> list[Path]:
    """One JPEG for each maker of assets in `data` and each procedural family.

    Args:
        data: folders of GLBs with index.csv.
        folder: where the sheets go, named after their sources.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    with Renderer(TILE) as renderer:
        for name, models in tqdm([*_assets(data, seed), *_families(seed)], desc="gallery", unit="sheet"):
            path = folder / f"{name.replace(' ', '-')}.jpg"
            sheet = _sheet(models, renderer, np.random.default_rng(seed))
            Image.fromarray(sheet).save(path, quality=74, optimize=True)
            written.append(path)
    return written


def maker_of(source_repo: str) -> str | None:
    """Whose work an asset is, by its `source_repo` in the index."""
    return next((maker for mark, maker in _MAKERS.items() if mark in source_repo.lower()), None)


def _assets(data: Sequence[Path], seed: int) -> Iterable[tuple[str, Iterable[Model]]]:
    """For each maker with assets in the folders, objects of different packs as far as there are."""
    rows = [(folder, row) for folder in data for row in read_index(folder) if row["category"] != "modular"]
    for maker in _MAKERS.values():
        rng = np.random.default_rng(seed)
        mine = [(folder, row) for folder, row in rows if maker_of(row["source_repo"]) == maker]
        mixed = [mine[i] for i in rng.permutation(len(mine))]
        seen: dict[str, int] = {}
        turns = []
        for _, row in mixed:
            turns.append(seen.get(row["pack"], 0))
            seen[row["pack"]] = turns[-1] + 1
        chosen = [mixed[i] for i in np.argsort(turns, kind="stable")[:OBJECTS]]
        sources = [Source(row["file"], row["pack"], folder / row["file"]) for folder, row in chosen]
        if sources:
            yield maker, [draw_model(source, rng) for source in sources]


def _families(seed: int) -> Iterable[tuple[str, Iterable[Model]]]:
    for family in FAMILIES:
        yield f"procedural {family}", _of_family(family, np.random.default_rng(seed))


def _of_family(family: str, rng: np.random.Generator) -> Iterable[Model]:
    for _ in range(OBJECTS):
        yield posed(random_model(rng, family), rng, stretch=0.1)


def _sheet(
    models: Iterable[Model], renderer: Renderer, rng: np.random.Generator
) -> UInt8[np.ndarray, "h w 3"]:
    rows = [_row(model, renderer, rng) for model in models]
    body = np.concatenate(rows)
    header = Image.new("RGB", (body.shape[1], _HEADER), (255, 255, 255))
    draw = ImageDraw.Draw(header)
    for column, name in enumerate(_COLUMNS):
        draw.text((column * (TILE + _GAP) + 3, 1), name, fill=(60, 60, 60))
    return np.concatenate([np.asarray(header), (body * 255).round().astype(np.uint8)])


def _row(model: Model, renderer: Renderer, rng: np.random.Generator) -> Float[np.ndarray, "h w 3"]:
    """Two references as in training, then one camera's channels."""
    tiles = []
    for azimuth in (0.0, 120.0):
        camera, _ = jittered_camera(model, azimuth, rng)
        view = renderer.render(model, camera, random_environment_lighting(rng))
        tiles.append((view.rgb[0], view.alpha[0]))
    view = renderer.render(model, reference_camera(model, 30.0, 20.0, 30.0))
    normal = view.normal[0] * 0.5 + 0.5
    grey = [np.repeat(image[0, ..., None], 3, axis=-1) for image in (view.roughness, view.metallic)]
    tiles += [(image, view.alpha[0]) for image in (view.rgb[0], view.albedo[0], normal, *grey)]
    framed = [
        np.pad(
            image * alpha[..., None] + _PAPER * (1 - alpha[..., None]),
            ((0, _GAP), (0, _GAP), (0, 0)),
            constant_values=1.0,
        )
        for image, alpha in tiles
    ]
    return np.concatenate(framed, axis=1).clip(0, 1)
