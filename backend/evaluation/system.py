"""The system under test: one image to an asset, and true views to a mesh."""

from __future__ import annotations

import io
from dataclasses import asdict, dataclass

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from backend.evaluation.appearance import (
    ViewScores,
    compare_materials,
    compare_views,
    normal_error_degrees,
    textured_model,
)
from backend.evaluation.metrics import Geometry, compare
from backend.evaluation.references import EvaluationObject, novel_cameras
from backend.evaluation.shape import shape_in_unit_box
from backend.packs.loading import Pack
from backend.pipeline.field import reconstruct_field
from backend.pipeline.image_to_asset import image_to_asset
from backend.pipeline.mesh import extract_mesh
from backend.pipeline.stage_data import Asset, Mesh, NormalViews, Options, Views
from backend.training.rendering import Renderer


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


def run_system(
    item: EvaluationObject,
    image: UInt8[np.ndarray, "h w 4"],
    pack: Pack,
    options: Options,
    truth: tuple[Views, NormalViews],
    novel: Renderer,
) -> SystemResult:
    """The reference image to an asset, measured against the object.

    Args:
        truth: the object's true six views at the pack's size and cameras.
        novel: renders the novel views.
    """
    asset = image_to_asset(_png(image), options, pack, Silent())
    true_views, true_normals = truth
    predicted, actual = (
        views.rgba.detach().float().cpu().movedim(1, -1).numpy() for views in (asset.views, true_views)
    )
    boxed = item.model.in_unit_box()
    groups = {
        "views": asdict(compare_views(predicted, actual))
        | {"normal_degrees": normal_error_degrees(asset.normal_views, true_normals, asset.views, true_views)},
        "novel": asdict(_compare_novel(asset, item, novel)),
        "materials": asdict(
            compare_materials(asset.textured, boxed.sample_surface(20_000, np.random.default_rng(0)))
        ),
        "asset": _asset_numbers(asset, item),
    }
    numbers = {
        f"{group}/{name}": float(value) for group, values in groups.items() for name, value in values.items()
    }
    return SystemResult(asset, measure_mesh(asset.mesh, item), numbers)


def reconstruct_from_truth(
    item: EvaluationObject, pack: Pack, faces: int, truth: tuple[Views, NormalViews]
) -> Geometry:
    """The reconstructor alone: what it makes of perfect views."""
    views, normals = truth
    on_device = Views(views.rgba.to(pack.device), views.cameras.to(pack.device), views.elevation_degrees)
    depth = None if normals.depth is None else normals.depth.to(pack.device)
    field = reconstruct_field(on_device, NormalViews(normals.normals.to(pack.device), depth), pack, Silent())
    surface = pack.config.surface
    return measure_mesh(extract_mesh(field, faces, Silent(), surface.cells, surface.smoothing), item)


def measure_mesh(mesh: Mesh, item: EvaluationObject) -> Geometry:
    return compare(shape_in_unit_box(mesh.vertices[mesh.faces], len(item.truth.points)), item.truth)


def _compare_novel(asset: Asset, item: EvaluationObject, renderer: Renderer) -> ViewScores:
    pair = []
    for model in (textured_model(asset.textured), item.model.in_unit_box()):
        rendered = renderer.render(model, novel_cameras())
        pair.append(np.concatenate([rendered.rgb, rendered.alpha[..., None]], -1))
    return compare_views(*pair)


def _asset_numbers(asset: Asset, item: EvaluationObject) -> dict[str, float]:
    return {
        "fidelity_psnr": asset.fidelity.psnr,
        "fidelity_mask_iou": asset.fidelity.mask_iou,
        "watertight": float(asset.mesh.watertight),
        "components": asset.mesh.components,
        "faces": len(asset.mesh.faces),
        "elevation_error": abs(asset.views.elevation_degrees - item.view.elevation),
        "seconds": sum(asset.seconds.values()),
        "peak_memory_mb": max(asset.peak_memory_mb.values()),
    }


def _png(image: UInt8[np.ndarray, "h w 4"]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
