"""Best of N: one image, several seeds, and a judgement of each asset that needs no truth."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from jaxtyping import Float32
from skimage.metrics import structural_similarity

from backend.errors import Cancelled, EmptySurfaceError
from backend.geometry.ray_scene import RayScene
from backend.geometry.render import cast_camera, shrink
from backend.packs.loading import AnyPack
from backend.pipeline.artifacts import write_asset, write_file
from backend.pipeline.export import render_from_reference
from backend.pipeline.image_to_asset import image_to_asset
from backend.pipeline.stage_data import Asset, Foreground, Options, Progress
from backend.protocol import LIMITS, VARIANT_FOLDER

FULL_PSNR = 40.0
"""Decibels from which two pictures look the same."""
LIKENESS_SIZE = 128
"""Side at which asset and reference are compared for structure, pixels: finer detail comes from the texture,
which the reference itself was painted into."""
AGREEMENT_SIZE = 64
"""Side at which silhouettes are compared with the generated views', pixels."""


class VariantProgress(Progress, Protocol):
    """A Progress that is told which variant it hears of."""

    def begin_variant(self, index: int, count: int) -> None:
        """What is reported from now on belongs to variant `index` of `count`."""


@dataclass(frozen=True)
class VariantScore:
    """How well an asset agrees with what it was made from. Every part is in [0, 1], and 1 is best.

    Silhouette, colour and likeness compare the asset, re-rendered from the reference camera, with the
    reference: its outline, its plain differences, and its structure. The texture is painted from the
    reference wherever the mesh lets it, so structure shows where the paint lies on a surface of the wrong
    shape. None of them sees the sides and the back: there the mesh is held against the masks of the six views
    that it was reconstructed from, which no mesh can fill when they contradict each other.
    """

    silhouette: float
    """Mask IoU."""
    colour: float
    """PSNR as a share of FULL_PSNR."""
    likeness: float
    """Structural similarity (Wang et al. 2004) to the reference, mean over the union of both masks."""
    agreement: float | None
    """IoU of soft masks, the mesh's against the generated views', mean over them; None on a route without."""

    @property
    def total(self) -> float:
        """The mean of the parts that there are: what variants are ranked by."""
        parts = (self.silhouette, self.colour, self.likeness, self.agreement)
        return float(np.mean([part for part in parts if part is not None]))


@dataclass(frozen=True)
class _Finished:
    """One variant on the disk."""

    index: int
    seed: int
    score: VariantScore
    files: tuple[Path, ...]
    seconds: float

    def summary(self) -> dict[str, Any]:
        return {
            "folder": VARIANT_FOLDER.format(self.index),
            "seed": self.seed,
            "score": self.score.total,
            **asdict(self.score),
            "seconds": self.seconds,
        }


def write_variants(
    image: bytes,
    options: Options,
    count: int,
    pack: AnyPack,
    progress: VariantProgress,
    folder: Path,
    *,
    name: str,
) -> list[Path]:
    """Make `count` assets with the seeds from options.seed on; all under `folder`, and the best in it.

        variant_00/  variant_01/  ...     all that `write_asset` writes, each
        asset.glb  report.json  ...       the best one's; its report lists all of them with their scores

    The object is cut out once. A variant whose views give no surface is left out. Cancelled when some are
    finished, those are what is returned.

    Raises:
        EmptySurfaceError: no variant gave a surface.
        Cancelled: before the first was finished.
        ImageError, ForegroundError, OutputError: as `image_to_asset` and `write_asset` say.
    """
    finished: list[_Finished] = []
    empty: EmptySurfaceError | None = None
    source: bytes | Foreground = image
    for index in range(count):
        variant = replace(options, seed=(options.seed + index) % (int(LIMITS["seed"].high) + 1))
        try:
            progress.begin_variant(index, count)
            asset = image_to_asset(source, variant, pack, progress, name)
        except EmptySurfaceError as error:
            empty = error
            continue
        except Cancelled:
            if not finished:
                raise
            break
        source = asset.foreground
        files = write_asset(
            asset, folder / VARIANT_FOLDER.format(index), name=name, options=variant, pack=pack
        )
        score = score_variant(asset)
        finished.append(_Finished(index, variant.seed, score, tuple(files), sum(asset.seconds.values())))
    if not finished:
        assert empty is not None
        raise empty
    return [*_publish_best(finished, folder), *(file for variant in finished for file in variant.files)]


def score_variant(asset: Asset) -> VariantScore:
    """What can be said of an asset from its reference image and its own views alone; about 0.1 s."""
    fidelity = asset.fidelity
    colour = min(max(fidelity.psnr / FULL_PSNR, 0.0), 1.0)
    return VariantScore(fidelity.mask_iou, colour, _likeness(asset), _agreement(asset))


def _publish_best(finished: list[_Finished], folder: Path) -> list[Path]:
    best = max(finished, key=lambda variant: variant.score.total)
    source = folder / VARIANT_FOLDER.format(best.index)
    published = []
    for file in best.files:
        content = file.read_bytes()
        if file.name == "report.json":
            report = json.loads(content)
            report |= {"best_variant": best.index, "variants": [variant.summary() for variant in finished]}
            content = (json.dumps(report, indent=2) + "\n").encode()
        published.append(write_file(folder / file.relative_to(source), content))
    return published


def _likeness(asset: Asset) -> float:
    rendered = render_from_reference(asset.textured, LIKENESS_SIZE)
    wanted = shrink(asset.foreground.image, LIKENESS_SIZE)
    _, similarity = structural_similarity(
        _over_grey(rendered), _over_grey(wanted), channel_axis=-1, data_range=1.0, full=True
    )
    union = (rendered[..., 3] > 0.5) | (wanted[..., 3] > 0.5)
    return float(similarity.mean(-1)[union].mean().clip(0, 1)) if union.any() else 0.0


def _agreement(asset: Asset) -> float | None:
    if not len(asset.views.rgba):
        return None
    mesh = asset.mesh
    in_model = (mesh.field_vertices * mesh.model_scale + mesh.model_offset).astype(np.float32)
    scene, cameras = RayScene(in_model, mesh.faces), asset.views.cameras.to("cpu")
    overlaps = []
    for index, alpha in enumerate(asset.views.rgba[:, 3].detach().float().cpu().numpy()):
        fine = cast_camera(scene, cameras[[index]], 2 * AGREEMENT_SIZE).mask.astype(np.float32)
        overlaps.append(_soft_iou(_to_side(fine, AGREEMENT_SIZE), _to_side(alpha, AGREEMENT_SIZE)))
    return float(np.mean(overlaps))


def _soft_iou(a: Float32[np.ndarray, "size size"], b: Float32[np.ndarray, "size size"]) -> float:
    union = np.maximum(a, b).sum()
    return float(np.minimum(a, b).sum() / union) if union else 1.0


def _to_side(mask: Float32[np.ndarray, "side side"], size: int) -> Float32[np.ndarray, "size size"]:
    return cv2.resize(mask, (size, size), interpolation=cv2.INTER_AREA)


def _over_grey(rgba: Float32[np.ndarray, "size size 4"]) -> Float32[np.ndarray, "size size 3"]:
    """On middle grey neither white nor black objects lose their outline."""
    return rgba[..., :3] * rgba[..., 3:] + 0.5 * (1 - rgba[..., 3:])
