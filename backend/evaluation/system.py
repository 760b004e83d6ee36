"""The system under test: one image to an asset, and each half of it on true input."""

from __future__ import annotations

import io
import time
from dataclasses import asdict, dataclass, replace

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from backend.evaluation.appearance import (
    compare_materials,
    compare_views,
    normal_error_degrees,
    textured_model,
)
from backend.evaluation.case import Case, render_novel
from backend.evaluation.metrics import Geometry, compare
from backend.evaluation.references import EvaluationObject
from backend.evaluation.shape import shape_in_unit_box
from backend.packs.loading import Pack
from backend.pipeline.field import reconstruct_field
from backend.pipeline.foreground import extract_foreground
from backend.pipeline.image_to_asset import image_to_asset
from backend.pipeline.mesh import extract_mesh
from backend.pipeline.normals import generate_normals
from backend.pipeline.stage_data import Asset, Mesh, NormalViews, Options, Views
from backend.pipeline.variants import score_variant


@dataclass(frozen=True)
class SystemResult:
    """One object through the whole pipeline."""

    asset: Asset
    geometry: Geometry
    numbers: dict[str, float]
    """Everything that is not geometry, by '<group>/<metric>'."""


class Silent:
    """A Progress that tells nobody."""

    def advance(self, stage: str, fraction: float) -> None: ...

    def preview(self, name: str, image: UInt8[np.ndarray, "h w c"]) -> None: ...


def run_system(case: Case, pack: Pack, options: Options) -> SystemResult:
    """The reference image to an asset, measured against the object.

    Raises:
        ForegroundError, EmptySurfaceError: as `image_to_asset` says.
    """
    asset, cpu_seconds = make_asset(encode(case.image), options, pack)
    true_views, true_normals = case.views
    predicted, actual = (
        views.rgba.detach().float().cpu().movedim(1, -1).numpy() for views in (asset.views, true_views)
    )
    novel = render_novel(textured_model(asset.textured), case.studio.novel)
    groups = {
        "views": asdict(compare_views(predicted, actual))
        | {"normal_degrees": normal_error_degrees(asset.normal_views, true_normals, asset.views, true_views)},
        "novel": asdict(compare_views(novel, case.novel_views)),
        "materials": asdict(compare_materials(asset.textured, case.materials)),
        "asset": asset_numbers(asset, cpu_seconds)
        | {"elevation_error": abs(asset.views.elevation_degrees - case.item.view.elevation)},
        "variant": variant_numbers(asset),
    }
    return SystemResult(asset, measure_mesh(asset.mesh, case.item), flattened(groups))


def reconstruct_from_truth(case: Case, pack: Pack, faces: int) -> Geometry:
    """The reconstructor alone: what it makes of perfect views, which agree. Raises EmptySurfaceError."""
    views, normals = _on_device(case.views, pack)
    field = reconstruct_field(views, normals, pack, Silent())
    surface = replace(pack.config.surface, denoised=False)
    return measure_mesh(extract_mesh(field, faces, Silent(), surface), case.item)


def normals_from_truth(case: Case, pack: Pack, options: Options) -> float:
    """The normal model alone: its mean angular error on perfect colour views, degrees."""
    foreground = extract_foreground(case.image, progress=Silent())
    views, _ = _on_device(case.views, pack)
    found = generate_normals(foreground, views, pack, options, Silent())
    true_views, true_normals = case.views
    return normal_error_degrees(found, true_normals, true_views, true_views)


def measure_mesh(mesh: Mesh, item: EvaluationObject) -> Geometry:
    return compare(shape_in_unit_box(mesh.vertices[mesh.faces], len(item.truth.points)), item.truth)


def make_asset(image: bytes, options: Options, pack: Pack) -> tuple[Asset, float]:
    """The whole pipeline, and the processor seconds of all threads that it took.

    Unlike the clock's, which the asset holds itself, they hardly change when the machine is busy.
    """
    began = time.process_time()
    asset = image_to_asset(image, options, pack, Silent())
    return asset, time.process_time() - began


def asset_numbers(asset: Asset, cpu_seconds: float) -> dict[str, float]:
    """What is known of an asset without any truth."""
    return {
        "fidelity_psnr": asset.fidelity.psnr,
        "fidelity_mask_iou": asset.fidelity.mask_iou,
        "watertight": float(asset.mesh.watertight),
        "components": asset.mesh.components,
        "faces": len(asset.mesh.faces),
        "seconds": sum(asset.seconds.values()),
        "cpu_seconds": cpu_seconds,
        "peak_memory_mb": max(asset.peak_memory_mb.values()),
    }


def variant_numbers(asset: Asset) -> dict[str, float]:
    """By what best of N would choose."""
    score = score_variant(asset)
    parts = {name: part for name, part in asdict(score).items() if part is not None}
    return parts | {"score": score.total}


def flattened(groups: dict[str, dict[str, float]]) -> dict[str, float]:
    """By '<group>/<metric>'."""
    return {
        f"{group}/{name}": float(value) for group, values in groups.items() for name, value in values.items()
    }


def encode(image: UInt8[np.ndarray, "h w 4"]) -> bytes:
    """The picture as a PNG file's bytes: the system is given files."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _on_device(truth: tuple[Views, NormalViews], pack: Pack) -> tuple[Views, NormalViews]:
    views, normals = truth
    depth = None if normals.depth is None else normals.depth.to(pack.device)
    return (
        Views(views.rgba.to(pack.device), views.cameras.to(pack.device), views.elevation_degrees),
        NormalViews(normals.normals.to(pack.device), depth),
    )
