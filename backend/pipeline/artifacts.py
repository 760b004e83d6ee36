"""The files of one asset."""

from __future__ import annotations

import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from PIL import Image

from backend.device import describe
from backend.errors import OutputError
from backend.pipeline.export import reference_camera_of_glb
from backend.pipeline.stage_data import Asset, NormalViews, Options, Views


class PackIdentity(Protocol):
    """What the report tells of the pack that made the asset."""

    @property
    def name(self) -> str: ...

    @property
    def revision(self) -> str: ...

    @property
    def device(self) -> torch.device: ...


def write_asset(asset: Asset, folder: Path, *, name: str, options: Options, pack: PackIdentity) -> list[Path]:
    """Write every artifact under `folder`, the report last, and return their paths.

        asset.glb  foreground.png  report.json
        maps/{base_color,roughness,metallic,normal}.png
        views/{rgb,normal}_{0..5}.png           on a route that makes views

    Raises:
        OutputError: a file cannot be written.
    """
    maps = asset.textured.maps
    files = {
        "asset.glb": asset.glb,
        "foreground.png": _png(_to_bytes(asset.foreground.image)),
        "maps/base_color.png": _png(maps.base_color),
        "maps/roughness.png": _png(maps.roughness),
        "maps/metallic.png": _png(maps.metallic),
        "maps/normal.png": _png(maps.normal),
    }
    colours, normals = view_images(asset.views), normal_images(asset.normal_views, asset.views)
    for index, (colour, normal) in enumerate(zip(colours, normals, strict=True)):
        files[f"views/rgb_{index}.png"] = _png(colour)
        files[f"views/normal_{index}.png"] = _png(normal)
    report = make_report(asset, name=name, options=options, pack=pack)
    files["report.json"] = (json.dumps(report, indent=2) + "\n").encode()
    return [write_file(folder / path, content) for path, content in files.items()]


def view_images(views: Views) -> UInt8[np.ndarray, "view size size 4"]:
    return _to_bytes(views.rgba.detach().float().cpu().permute(0, 2, 3, 1).numpy())


def normal_images(normal_views: NormalViews, views: Views) -> UInt8[np.ndarray, "view size size 4"]:
    """World-frame normals, [-1, 1] to [0, 1], with the colour views' alpha."""
    normals = normal_views.normals.detach().float().cpu() * 0.5 + 0.5
    alpha = views.rgba[:, 3:].detach().float().cpu()
    return _to_bytes(torch.cat([normals, alpha], dim=1).permute(0, 2, 3, 1).numpy())


def make_report(asset: Asset, *, name: str, options: Options, pack: PackIdentity) -> dict[str, Any]:
    """What report.json holds; seconds and megabytes, angles in degrees, PSNR in dB."""
    return {
        "name": name,
        "route": asset.route,
        "pack": pack.name,
        "pack_revision": pack.revision,
        "device": describe(pack.device),
        "seed": options.seed,
        "options": asdict(options),
        "seconds": asset.seconds,
        "seconds_total": sum(asset.seconds.values()),
        "peak_memory_mb": asset.peak_memory_mb,
        "peak_memory_mb_total": max(asset.peak_memory_mb.values(), default=0.0),
        "vertices": len(asset.textured.vertices),
        "faces": len(asset.textured.faces),
        "watertight": asset.mesh.watertight,
        "components": asset.mesh.components,
        "views": len(asset.views.rgba),
        "estimated_elevation_degrees": asset.views.elevation_degrees if len(asset.views.rgba) else None,
        "materials": asdict(asset.textured.materials),
        "foreground_method": asset.foreground.method,
        "fidelity": asdict(asset.fidelity),
        "reference_camera": reference_camera_of_glb(asset.textured, options.height_metres),
    }


def write_file(path: Path, content: bytes) -> Path:
    """Write one file, its folders too. Raises OutputError when that is impossible."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written ({error.strerror}). Choose another output folder or free some space."
        ) from error
    return path


def _to_bytes(image: Float32[np.ndarray, "*shape"]) -> UInt8[np.ndarray, "*shape"]:
    return np.round(np.clip(image, 0, 1) * 255).astype(np.uint8)


def _png(image: UInt8[np.ndarray, "height width *channel"]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG")
    return buffer.getvalue()
