"""Baselines and system over a folder of objects, resumably."""

from __future__ import annotations

import sys
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
from backend.evaluation.oracle import ShapeGallery, build_shape_gallery
from backend.evaluation.references import PROTOCOL, UnreadableObjectError, list_objects
from backend.evaluation.results import ObjectResults, Outcome, cached, system_key
from backend.evaluation.retrieval import Gallery, build_gallery
from backend.evaluation.shape import POINTS, shape_in_unit_box
from backend.evaluation.system import (
    flattened,
    normals_from_truth,
    reconstruct_from_truth,
    run_system,
)
from backend.packs.loading import Pack
from backend.pipeline.stage_data import NormalViews, Options, Views

DEFAULT_VIEW_SIZE, DEFAULT_VIEW_DISTANCE = 64, 2.0
"""Of the true views when no pack is evaluated: nano's."""
_WORST = GeometryScores(f05=0.0, f02=0.0, f01=0.0, chamfer=1.0, iou=0.0, normal_consistency=0.0)
"""Scores of an object that could not be made: left out, it would flatter the system."""

FAILED_ASSET = {
    "asset/fidelity_psnr": 0.0,
    "asset/fidelity_mask_iou": 0.0,
    "asset/watertight": 0.0,
    "variant/score": 0.0,
}

SPHERE, MEAN, SILHOUETTE = "sphere", "mean shape", "inflated silhouette"
NEAREST, ORACLE = "nearest by image", "oracle nearest neighbour"
HULL, FINE_HULL, CARVED_HULL = "hull", "hull at 256 px", "hull carved by depth"
FROM_GALLERY = (MEAN, NEAREST, ORACLE)
FROM_TRUE_VIEWS = (HULL, FINE_HULL, CARVED_HULL)

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
    seeds: tuple[int, ...] = (0, 1, 2)
    variants: int = 1
    """Best of so many, from the first seed on."""
    options: Options = field(default_factory=Options)
    points: int = POINTS
    """Sampled on each surface."""

    @property
    def runs(self) -> tuple[int, ...]:
        """Every seed that is needed, each once."""
        return tuple(dict.fromkeys((*self.seeds, *self.variant_seeds)))

    @property
    def variant_seeds(self) -> tuple[int, ...]:
        return tuple(range(self.seeds[0], self.seeds[0] + self.variants)) if self.variants > 1 else ()


def evaluate(plan: Plan, pack: Pack | None, share: tuple[int, int] = (0, 1)) -> list[ObjectResults]:
    """Every object's results; without a pack the baselines alone. Files that cannot be read are left out.

    Args:
        share: (i, n) leaves all but every n-th object from the i-th on to other processes.

    Raises:
        FileNotFoundError: no GLBs.
    """
    paths = list_objects(plan.data, plan.limit)[share[0] :: share[1]]
    baselines, knowledge = available_baselines(plan)
    size = DEFAULT_VIEW_SIZE if pack is None else pack.config.view_size
    distance = DEFAULT_VIEW_DISTANCE if pack is None else pack.config.view_distance
    results = []
    with open_studio(size, distance) as studio:
        for path in tqdm(paths, desc="evaluate", unit="object", position=share[0]):
            case = Case(path, studio, plan.points)
            folder = plan.out / "objects" / path.stem
            key: dict[str, object] = {
                "protocol": PROTOCOL,
                "bytes": path.stat().st_size,
                "points": plan.points,
            }
            views_key = key | {"views": [size, distance]}
            try:
                measured = {
                    name: cached(
                        folder / f"baseline {name}.json",
                        (views_key if name in FROM_TRUE_VIEWS else key) | knowledge.get(name, {}),
                        partial(_measure, case, make),
                    )
                    for name, make in baselines.items()
                }
            except UnreadableObjectError as error:
                tqdm.write(f"left out: {error}", file=sys.stderr)
                continue
            if pack is None:
                results.append(ObjectResults(path.stem, measured, None, {}, None))
            else:
                from_truth, single = _run_pack(case, plan, pack, folder, views_key)
                row = _row_path(folder, plan.seeds[0])
                results.append(
                    ObjectResults(path.stem, measured, from_truth, single, row if row.exists() else None)
                )
    return results


def _run_pack(
    case: Case, plan: Plan, pack: Pack, folder: Path, key: dict[str, object]
) -> tuple[Outcome, dict[int, Outcome]]:
    key = key | system_key(pack) | {"faces": plan.options.faces}
    first = replace(plan.options, seed=plan.seeds[0])
    from_truth = cached(
        folder / "from_truth.json",
        key | {"seed": first.seed},
        partial(_halves_on_truth, case, pack, first),
    )
    single = {}
    for seed in plan.runs:
        options = replace(plan.options, seed=seed)
        row = _row_path(folder, seed) if seed == plan.seeds[0] else None
        run = partial(_run_single, case, pack, options, folder, row)
        single[seed] = cached(folder / f"single_{seed}.json", key | asdict(options), run)
    return from_truth, single


def _measure(case: Case, make: Baseline) -> Outcome:
    triangles = make(case)
    if not len(triangles):
        return Outcome(_failed(), "empty")
    return Outcome(_flat(compare(shape_in_unit_box(triangles, case.points), case.item.truth)))


def _halves_on_truth(case: Case, pack: Pack, options: Options) -> Outcome:
    try:
        normals = {"views/normal_degrees": normals_from_truth(case, pack, options)}
    except ForegroundError:
        normals = {}  # the reference shows nothing, of which the single image's outcome tells
    try:
        return Outcome(_flat(reconstruct_from_truth(case, pack, options.faces)) | normals)
    except EmptySurfaceError as error:
        return Outcome(_failed() | normals, str(error))


def _run_single(case: Case, pack: Pack, options: Options, folder: Path, row: Path | None) -> Outcome:
    try:
        result = run_system(case, pack, options)
    except (EmptySurfaceError, ForegroundError) as error:
        return Outcome(_failed() | FAILED_ASSET, str(error))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"asset_{options.seed}.glb").write_bytes(result.asset.glb)
    if row is not None:
        scores = result.geometry.aligned
        figures = f"aligned F@0.05 {scores.f05:.2f}  F@0.02 {scores.f02:.2f}  IoU {scores.iou:.2f}"
        truth, light = case.item.model.in_unit_box(), case.item.view.lighting
        draw_row(result.asset, f"{case.path.stem}   {figures}", case.studio.sheet, truth, light).save(row)
    return Outcome(_flat(result.geometry) | result.numbers)


def _flat(geometry: Geometry) -> dict[str, float]:
    return flattened({frame: asdict(scores) for frame, scores in vars(geometry).items()})


def _failed() -> dict[str, float]:
    return _flat(Geometry(_WORST, _WORST))


def _row_path(folder: Path, seed: int) -> Path:
    return folder / f"row_{seed}.png"


def available_baselines(plan: Plan) -> tuple[dict[str, Baseline], dict[str, dict[str, object]]]:
    """Baselines by their name in the report, and what else than the object each of them depends on.

    Reads the training assets, where the plan names some and their cache is missing.
    """
    found: dict[str, Baseline] = {SPHERE: lambda case: sphere()}
    knowledge: dict[str, dict[str, object]] = {}
    if plan.train is not None:
        gallery = build_gallery(plan.train, plan.out / "cache")
        shapes = build_shape_gallery(gallery.paths, gallery.revision, plan.out / "cache")
        found |= _gallery_baselines(gallery, shapes)
        knowledge = {name: {"gallery": gallery.revision} for name in FROM_GALLERY}
    found[SILHOUETTE] = lambda case: inflated_silhouette(case.image[..., 3] / 255)
    found[HULL] = lambda case: _hull(case.views, carved=False)
    found[FINE_HULL] = lambda case: _hull(case.fine_views, carved=False)
    found[CARVED_HULL] = lambda case: _hull(case.views, carved=True)
    return found, knowledge


def _gallery_baselines(gallery: Gallery, shapes: ShapeGallery) -> dict[str, Baseline]:
    return {
        MEAN: lambda case: gallery.mean_shape(),
        NEAREST: lambda case: gallery.nearest_by_image(case.image),
        ORACLE: lambda case: shapes.nearest(case.item.truth),
    }


def _hull(truth: tuple[Views, NormalViews], *, carved: bool) -> Float32[np.ndarray, "face 3 3"]:
    views, normals = truth
    depth = normals.depth.numpy() if carved and normals.depth is not None else None
    return visual_hull(views.rgba[:, 3].numpy(), views.cameras, depth)
