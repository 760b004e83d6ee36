"""Baselines and system over a folder of objects, resumably."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float32
from tqdm import tqdm

from backend.errors import EmptySurfaceError, ForegroundError
from backend.evaluation.baselines import inflated_silhouette, sphere, visual_hull
from backend.evaluation.case import Case, open_studio
from backend.evaluation.contact_sheet import draw_row
from backend.evaluation.metrics import Geometry, GeometryScores, compare
from backend.evaluation.references import PROTOCOL, list_objects
from backend.evaluation.results import Outcome, cached
from backend.evaluation.retrieval import Gallery, build_gallery
from backend.evaluation.shape import POINTS, shape_in_unit_box
from backend.evaluation.system import reconstruct_from_truth, run_system
from backend.packs.loading import Pack
from backend.pipeline.stage_data import NormalViews, Options, Views

DEFAULT_VIEW_SIZE, DEFAULT_VIEW_DISTANCE = 64, 2.0
"""Of the true views when no pack is evaluated: nano's."""
_WORST = GeometryScores(f05=0.0, f02=0.0, f01=0.0, chamfer=1.0, iou=0.0, normal_consistency=0.0)
"""Scores of an object that could not be made: left out, it would flatter the system."""

_FROM_GALLERY = ("mean shape", "nearest by image", "nearest by shape")

Baseline = Callable[[Case], Float32[np.ndarray, "face 3 3"]]


@dataclass(frozen=True)
class Plan:
    """What is evaluated."""

    data: Path
    """Folder of GLBs."""
    out: Path
    train: Path | None = None
    """Training assets, for the baselines that know them."""
    limit: int | None = None
    seeds: tuple[int, ...] = (0,)
    options: Options = field(default_factory=Options)
    points: int = POINTS
    """Sampled on each surface."""
    oracle: bool = False
    """Also the nearest training asset by shape; slow."""


@dataclass(frozen=True)
class ObjectResults:
    """All that was measured on one object."""

    name: str
    baselines: dict[str, Outcome]
    from_truth: Outcome | None
    """The reconstructor on the true views; None when only baselines were run."""
    single: tuple[Outcome, ...]
    """The whole system, one entry a seed."""
    row: Path | None
    """Its row of the contact sheet."""


def evaluate(plan: Plan, pack: Pack | None) -> list[ObjectResults]:
    """Every object's results; without a pack the baselines alone.

    Raises:
        FileNotFoundError: no GLBs.
    """
    paths = list_objects(plan.data, plan.limit)
    gallery = None if plan.train is None else build_gallery(plan.train, plan.out / "cache")
    baselines = _available_baselines(gallery, plan.oracle)
    knowledge: dict[str, dict[str, object]] = {name: {} for name in baselines}
    if gallery is not None:
        knowledge |= {name: {"gallery": gallery.revision} for name in _FROM_GALLERY}
    size = DEFAULT_VIEW_SIZE if pack is None else pack.config.view_size
    distance = DEFAULT_VIEW_DISTANCE if pack is None else pack.config.view_distance
    results = []
    with open_studio(size, distance) as studio:
        for path in tqdm(paths, desc="evaluate", unit="object"):
            case = Case(path, studio, plan.points)
            folder = plan.out / "objects" / path.stem
            key: dict[str, object] = {
                "protocol": PROTOCOL,
                "bytes": path.stat().st_size,
                "views": [size, distance],
                "points": plan.points,
            }
            measured = {
                name: cached(
                    folder / f"baseline {name}.json", key | knowledge[name], partial(_measure, case, make)
                )
                for name, make in baselines.items()
            }
            if pack is None:
                results.append(ObjectResults(path.stem, measured, None, (), None))
            else:
                from_truth, single = _run_pack(case, plan, pack, folder, key)
                results.append(ObjectResults(path.stem, measured, from_truth, single, _row(folder, plan)))
    return results


def _run_pack(
    case: Case, plan: Plan, pack: Pack, folder: Path, key: dict[str, object]
) -> tuple[Outcome, tuple[Outcome, ...]]:
    key = key | {"pack": pack.name, "revision": pack.revision, "faces": plan.options.faces}
    from_truth = cached(
        folder / "from_truth.json", key, partial(_reconstruct, case, pack, plan.options.faces)
    )
    single = []
    for seed in plan.seeds:
        options = replace(plan.options, seed=seed)
        run = partial(_run_single, case, pack, options, folder)
        single.append(cached(folder / f"single_{seed}.json", key | asdict(options), run))
    return from_truth, tuple(single)


def _measure(case: Case, make: Baseline) -> Outcome:
    triangles = make(case)
    if not len(triangles):
        return Outcome(_flat(Geometry(_WORST, _WORST)), "empty")
    return Outcome(_flat(compare(shape_in_unit_box(triangles, case.points), case.item.truth)))


def _reconstruct(case: Case, pack: Pack, faces: int) -> Outcome:
    try:
        return Outcome(_flat(reconstruct_from_truth(case.item, pack, faces, case.views)))
    except EmptySurfaceError as error:
        return Outcome(_flat(Geometry(_WORST, _WORST)), str(error))


def _run_single(case: Case, pack: Pack, options: Options, folder: Path) -> Outcome:
    try:
        result = run_system(case.item, case.image, pack, options, case.views, case.studio.novel)
    except (EmptySurfaceError, ForegroundError) as error:
        return Outcome(_flat(Geometry(_WORST, _WORST)), str(error))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"asset_{options.seed}.glb").write_bytes(result.asset.glb)
    scores = result.geometry.fixed
    caption = f"{case.path.stem}   F@0.05 {scores.f05:.2f}  F@0.02 {scores.f02:.2f}  IoU {scores.iou:.2f}"
    draw_row(case, result.asset, caption).save(_row_path(folder, options.seed))
    return Outcome(_flat(result.geometry) | result.numbers)


def _flat(geometry: Geometry) -> dict[str, float]:
    return {
        f"{frame}/{name}": float(value)
        for frame, scores in asdict(geometry).items()
        for name, value in scores.items()
    }


def _row(folder: Path, plan: Plan) -> Path | None:
    path = _row_path(folder, plan.seeds[0])
    return path if path.exists() else None


def _row_path(folder: Path, seed: int) -> Path:
    return folder / f"row_{seed}.png"


def _available_baselines(gallery: Gallery | None, oracle: bool) -> dict[str, Baseline]:
    """By the name in the report, those with the least knowledge first."""
    found: dict[str, Baseline] = {"sphere": lambda case: sphere()}
    if gallery is not None:
        found["mean shape"] = lambda case: gallery.mean_shape()
        found["nearest by image"] = lambda case: gallery.nearest_by_image(case.image)
        if oracle:
            found["nearest by shape"] = lambda case: gallery.nearest_by_shape(case.item.truth, case.image)
    found["inflated silhouette"] = lambda case: inflated_silhouette(case.image[..., 3] / 255)
    found["hull"] = lambda case: _hull(case.views, carved=False)
    found["hull at 256 px"] = lambda case: _hull(case.fine_views, carved=False)
    found["hull carved by depth"] = lambda case: _hull(case.views, carved=True)
    return found


def _hull(truth: tuple[Views, NormalViews], *, carved: bool) -> Float32[np.ndarray, "face 3 3"]:
    views, normals = truth
    depth = normals.depth.numpy() if carved and normals.depth is not None else None
    return visual_hull(views.rgba[:, 3].numpy(), views.cameras, depth)
