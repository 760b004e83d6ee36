"""A folder of the user's own images: no truth, hence fidelity, soundness and speed only."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

from tqdm import tqdm

from backend.errors import EmptySurfaceError, InputError
from backend.evaluation.case import SHEET_CELL
from backend.evaluation.contact_sheet import draw_row
from backend.evaluation.evaluate import FAILED_ASSET, Plan
from backend.evaluation.references import spread
from backend.evaluation.results import ObjectResults, Outcome, cached, system_key
from backend.evaluation.system import asset_numbers, flattened, make_asset, variant_numbers
from backend.packs.loading import Pack
from backend.pipeline.stage_data import Options
from backend.training.rendering import Renderer

SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif"))
_PROTOCOL = 1
"""Raise it when what is measured changes."""


def list_images(folder: Path, limit: int | None = None) -> list[Path]:
    """The image files of a folder, sorted by name; with a limit, evenly spread over them."""
    found = (path for path in folder.glob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    return spread(sorted(found), limit)


def evaluate_images(plan: Plan, pack: Pack, share: tuple[int, int] = (0, 1)) -> list[ObjectResults]:
    """Every image's results for every seed, resumably.

    Args:
        share: (i, n) leaves all but every n-th image from the i-th on to other processes.
    """
    results = []
    with Renderer(SHEET_CELL, 2) as renderer:
        images = list_images(plan.data, plan.limit)[share[0] :: share[1]]
        for path in tqdm(images, desc="evaluate", unit="image", position=share[0]):
            folder = plan.out / "images" / path.name
            row = folder / f"row_{plan.seeds[0]}.png"
            content = path.read_bytes()
            key: dict[str, object] = {
                "protocol": _PROTOCOL,
                "image": hashlib.sha256(content).hexdigest(),
            } | system_key(pack)
            single = {}
            for seed in plan.runs:
                options = replace(plan.options, seed=seed)
                target = row if seed == plan.seeds[0] else None
                run = partial(_run, content, path.name, pack, options, folder, renderer, target)
                single[seed] = cached(folder / f"single_{seed}.json", key | asdict(options), run)
            results.append(ObjectResults(path.name, {}, None, single, row if row.exists() else None))
    return results


def _run(
    content: bytes,
    name: str,
    pack: Pack,
    options: Options,
    folder: Path,
    renderer: Renderer,
    row: Path | None,
) -> Outcome:
    try:
        asset, cpu_seconds = make_asset(content, options, pack)
    except (EmptySurfaceError, InputError) as error:
        return Outcome(FAILED_ASSET, str(error))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"asset_{options.seed}.glb").write_bytes(asset.glb)
    if row is not None:
        fidelity = asset.fidelity
        caption = f"{name}   re-rendered: mask IoU {fidelity.mask_iou:.2f}  PSNR {fidelity.psnr:.1f} dB"
        draw_row(asset, caption, renderer).save(row)
    return Outcome(flattened({"asset": asset_numbers(asset, cpu_seconds), "variant": variant_numbers(asset)}))
