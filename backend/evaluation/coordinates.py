"""`python -m backend.evaluation.coordinates PACK ...`: how good object coordinates are by themselves.

Nothing comes between the coordinate net and these figures, and they take seconds an object: weights are
chosen by them. With --data the net looks at the evaluation's reference pictures, and its bare surfaces, a
point a pixel, are held against the true shape; with --references it looks at the held-out images of
`train references` folders.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from tqdm import tqdm

from backend.device import use_available_cores
from backend.errors import BozzettoError, OptionError
from backend.evaluation.alignment import align
from backend.evaluation.metrics import f_score
from backend.evaluation.nearest import NearestPoints
from backend.evaluation.references import EvaluationObject, list_objects, load_object
from backend.evaluation.tables import table
from backend.models.multiview.coordinate_net import CoordinateNet, see_twice
from backend.models.presets import NANO
from backend.packs.loading import build_nano, load_weights
from backend.training.dataset import REFERENCE_SIZE
from backend.training.reference_dataset import ReferenceBatch, ReferenceDataset, ReferenceExample
from backend.training.render_dataset import FILL, cropped_camera, render_seen
from backend.training.rendering import Renderer
from backend.training.train_coordinates import CoordinateTask

_POINTS = 20_000
"""On the true surface."""
_HELD_OUT = 600
"""Images of a references folder, drawn at random but always the same."""
_BATCH = 32
_CPU = torch.device("cpu")


@dataclass(frozen=True)
class SeenObject:
    """What the net is shown of an object, and what it should see in it."""

    example: ReferenceExample
    points: Float[np.ndarray, "point 3"]
    """On the true surface, in the model frame."""


@dataclass(frozen=True)
class CoordinateScores:
    """Of one object."""

    front: float
    """Mean absolute error per axis of the upright positions, model units (object radius 0.5)."""
    back: float
    elevation: float
    """Degrees."""
    aligned_f05: float
    """F-scores of the two surfaces' pixels together, distances in longest sides of the object."""
    aligned_f02: float
    fixed_f05: float


def see_object(item: EvaluationObject, renderer: Renderer) -> SeenObject:
    """The crop of the evaluation's reference picture that a perfect mask would give."""
    camera = cropped_camera(item.view.camera, item.model, FILL)
    channels = {
        name: torch.from_numpy(values.astype(np.float32)).movedim(-1, 0)
        for name, values in render_seen(item.model, camera, item.view.lighting, renderer).items()
    }
    surface = item.model.sample_surface(_POINTS, np.random.default_rng(0))
    example = ReferenceExample(
        reference_rgba=channels["rgba"] / 255,
        reference_front=channels["front"],
        reference_back=channels["back"],
        elevation=torch.tensor(item.view.elevation),
    )
    return SeenObject(example, surface.points)


@torch.no_grad()
def score_object(net: CoordinateNet, seen: SeenObject) -> CoordinateScores:
    """Look at the object as the pipeline does (`see_twice`) and compare."""
    truth = seen.example
    looked = see_twice(net, truth.reference_rgba[None])
    surfaces = dict(zip(("front", "back"), looked.upright(), strict=True))
    there = (truth.reference_front != 0).any(0)
    errors = {
        name: float((surfaces[name][0] - getattr(truth, f"reference_{name}"))[:, there].abs().mean())
        for name in surfaces
    }
    opaque = torch.nn.functional.avg_pool2d(truth.reference_rgba[None, 3:], 2)[0, 0] > 0.5
    points = torch.cat([surface[0][:, opaque] for surface in surfaces.values()], dim=1).T.double().numpy()
    linear, offset = align(points, seen.points)
    longest = float(np.ptp(seen.points, axis=0).max())

    def f_scores(predicted: Float[np.ndarray, "point 3"], *thresholds: float) -> list[float]:
        to_truth = NearestPoints(seen.points).query(predicted.astype(np.float32))[0]
        to_predicted = NearestPoints(predicted.astype(np.float32)).query(seen.points)[0]
        return [f_score(to_truth, to_predicted, threshold * longest) for threshold in thresholds]

    return CoordinateScores(
        errors["front"],
        errors["back"],
        float((looked.elevation[0] - truth.elevation).abs()),
        *f_scores(points @ linear.T + offset, 0.05, 0.02),
        *f_scores(points, 0.05),
    )


@torch.no_grad()
def held_out_errors(net: CoordinateNet, references: Path) -> dict[str, float]:
    """Mean errors on the folder's held-out images, as training's own validation gives them.

    Positions are summed over the axes here (L1), in the camera's axes where not called upright.
    """
    held_out = ReferenceDataset(references, validation=True)
    unmirrored = len(held_out) // 2
    count = min(_HELD_OUT, unmirrored)
    chosen = 2 * np.random.default_rng(5).choice(unmirrored, count, replace=False)
    batches = [
        ReferenceBatch.stack([held_out[int(i)] for i in part], _CPU)
        for part in np.array_split(chosen, max(count // _BATCH, 1))
    ]
    task = CoordinateTask(net, torch.float32)
    return task.validate(batches, torch.Generator())


def main(argv: Sequence[str]) -> int:
    """Print a row a pack. 0 success, 2 nothing could be done."""
    parser = argparse.ArgumentParser(
        prog="python -m backend.evaluation.coordinates",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("packs", type=Path, nargs="+", metavar="PACK", help="folders of nano packs")
    parser.add_argument("--data", type=Path, metavar="DIR", help="a folder of GLBs, as for evaluate")
    parser.add_argument("--references", type=Path, nargs="+", default=[], metavar="DIR")
    arguments = parser.parse_args(argv)
    use_available_cores()
    try:
        if arguments.data is None and not arguments.references:
            raise OptionError("Give --data DIR, a folder of GLBs, or --references DIR of train references.")
        nets = {str(folder): _load(folder) for folder in arguments.packs}
        if arguments.data is not None:
            print(_table_of_objects(nets, arguments.data))
        for folder in arguments.references:
            errors = {name: held_out_errors(net, folder) for name, net in nets.items()}
            columns = list(next(iter(errors.values())))
            rows = [[name, *(f"{mine[column]:.4f}" for column in columns)] for name, mine in errors.items()]
            print(table([str(folder), *columns], rows))
    except (BozzettoError, FileNotFoundError) as error:
        print(f"bozzetto: {error}", file=sys.stderr)
        return 2
    return 0


def _load(folder: Path) -> CoordinateNet:
    modules = build_nano(NANO)
    load_weights(modules, ("coordinates",), folder)
    return modules.coordinates.eval()


def _table_of_objects(nets: dict[str, CoordinateNet], data: Path) -> str:
    paths = list_objects(data)
    scores: dict[str, list[CoordinateScores]] = {name: [] for name in nets}
    with Renderer(REFERENCE_SIZE) as renderer:
        for path in tqdm(paths, desc=data.name, unit="object"):
            seen = see_object(load_object(path, _POINTS), renderer)
            for name, net in nets.items():
                scores[name].append(score_object(net, seen))
    columns = [field.name for field in fields(CoordinateScores)]
    rows = [
        [name, *(f"{value:.4f}" for value in np.mean([astuple(score) for score in mine], axis=0))]
        for name, mine in scores.items()
    ]
    return table([f"{data}, {len(paths)} objects", *columns], rows)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
