"""Pictures of what was made, to be looked at beside the numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageDraw

from backend.evaluation.appearance import over_white, textured_model
from backend.evaluation.case import SHEET_CELL
from backend.geometry.cameras import focal_from_fov, orbit_cameras
from backend.pipeline.stage_data import Asset
from backend.training.assets import Model, Part
from backend.training.rendering import STUDIO, Lighting, Renderer

CAPTION_HEIGHT = 14
_AZIMUTHS, _ELEVATION = (30.0, 210.0), 20.0


def draw_row(
    asset: Asset,
    caption: str,
    renderer: Renderer,
    truth: Model | None = None,
    lighting: Lighting = STUDIO,
) -> Image.Image:
    """Input, six views, six normal maps, mesh, then the asset from the front and from behind.

    Args:
        truth: in the unit box; shown beside the asset from the same two sides.
        lighting: of asset and truth.
    """
    views = asset.views.rgba.detach().float().cpu().movedim(1, -1).numpy()
    normals = asset.normal_views.normals.detach().float().cpu().movedim(1, -1).numpy() * 0.5 + 0.5
    normals = np.concatenate([normals, views[..., 3:]], axis=-1)
    models = [textured_model(asset.textured), *([] if truth is None else [truth])]
    sides = zip(*(_render(model, renderer, lighting) for model in models), strict=True)
    cells = [
        asset.foreground.image,
        *views,
        *normals,
        _render(_clay(asset), renderer, lighting)[0],
        *(view for side in sides for view in side),
    ]
    row = Image.new("RGB", (SHEET_CELL * len(cells), SHEET_CELL + CAPTION_HEIGHT), "white")
    ImageDraw.Draw(row).text((2, 1), caption, fill="black")
    for place, cell in enumerate(cells):
        row.paste(_thumbnail(cell), (place * SHEET_CELL, CAPTION_HEIGHT))
    return row


def stack_rows(rows: Sequence[Path], target: Path) -> None:
    """One row above the other; nothing is written for no rows."""
    if not rows:
        return
    images = [Image.open(path) for path in rows]
    sheet = Image.new("RGB", (max(i.width for i in images), sum(i.height for i in images)), "white")
    top = 0
    for image in images:
        sheet.paste(image, (0, top))
        top += image.height
    sheet.save(target)


def _render(model: Model, renderer: Renderer, lighting: Lighting) -> list[Float[np.ndarray, "size size 4"]]:
    # A little nearer than a cube would need: few objects have its corners.
    distance = 0.72 * focal_from_fov(30.0)
    cameras = orbit_cameras(_AZIMUTHS, [_ELEVATION] * len(_AZIMUTHS), distance)
    rendered = renderer.render(model, cameras, lighting)
    return list(np.concatenate([rendered.rgb, rendered.alpha[..., None]], axis=-1))


def _clay(asset: Asset) -> Model:
    """The bare mesh in matt grey."""
    mesh = asset.mesh
    count = len(mesh.faces)
    part = Part(
        positions=mesh.vertices[mesh.faces],
        normals=mesh.normals[mesh.faces],
        uvs=np.zeros((count, 3, 2), np.float32),
        colour=np.full((count, 3, 3), 0.4, np.float32),
        roughness=np.ones(count, np.float32),
        metallic=np.zeros(count, np.float32),
        texture=None,
    )
    return Model((part,))


def _thumbnail(rgba: Float[np.ndarray, "size size 4"]) -> Image.Image:
    flat = (over_white(rgba).clip(0, 1) * 255).round().astype(np.uint8)
    return Image.fromarray(flat).resize((SHEET_CELL, SHEET_CELL), Image.Resampling.BOX)
