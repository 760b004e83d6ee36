"""`python -m backend train`: render the data, train nano's four networks in order, write the pack.

furniture      models of Sweet Home 3D --libraries (.sh3f), as a further folder of GLBs in --out
models         likewise the models below the folder --models, in most formats of games; --licence names theirs
render         fill --work/data with rendered samples (several may run at once: --worker i --workers n)
references     fill --work/references with six times as many reference images for the coordinates (likewise)
coordinates    object coordinates from the reference image
views          the multi-view denoiser (needs coordinates)
normals        the normal ControlNet (needs views)
generate       views of --samples training samples by the trained models (needs normals)
reconstructor  the field; --generated mixes those views in
export         write the weights and the manifest to --pack; with --average PACK their mean with that pack's
all            the above in order

With --start PACK what has no checkpoint in --work yet goes on from that pack's weights.

gallery        pictures of what the models learn from, into --out
check-labels   whether the labels of some objects of --data agree with their silhouettes
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch.utils.data import ConcatDataset

from backend.device import autocast_dtype, describe, pick_device, use_available_cores
from backend.errors import BozzettoError, OptionError
from backend.models.multiview.nano_denoiser import NanoNormalControl
from backend.models.multiview.nano_sampler import make_scheduler
from backend.models.presets import NANO
from backend.packs.loading import NanoModules, assemble_nano, build_nano, load_weights, save_nano
from backend.packs.manifest import PACKS_FOLDER, write_manifest
from backend.training.dataset import REFERENCES, Example, RenderedDataset
from backend.training.furniture_library import import_libraries
from backend.training.gallery import write_gallery
from backend.training.generated_views import MixedViews, generate_views_of
from backend.training.label_check import check_folder
from backend.training.loop import Batch, ExampleSource, Task, TrainOptions, load_averaged, train
from backend.training.model_folder import import_folder
from backend.training.pretrained_trunk import load_pretrained
from backend.training.reference_dataset import (
    HasReference,
    ReferenceBatch,
    ReferenceDataset,
    render_references,
)
from backend.training.render_dataset import render_dataset
from backend.training.train_coordinates import CoordinateTask
from backend.training.train_reconstructor import ReconstructorTask
from backend.training.train_views import NormalTask, ViewTask
from backend.training.weight_averaging import average_into

_ORDER = ("render", "references", "coordinates", "views", "normals", "generate", "reconstructor", "export")
_DEFAULTS = {
    "coordinates": TrainOptions(
        steps=10000, batch=32, learning_rate=1e-3, cooldown=0.4, validate_every=500, validation=384
    ),
    "views": TrainOptions(steps=3600, batch=4, learning_rate=1e-3, cooldown=0.4),
    "normals": TrainOptions(steps=1260, batch=4, learning_rate=1e-3, cooldown=0.4),
    "reconstructor": TrainOptions(steps=4700, batch=4, learning_rate=7e-4, cooldown=0.4, validate_every=500),
}


_NEEDS: dict[str, tuple[str, ...]] = {
    "coordinates": (),
    "views": ("coordinates",),
    "normals": ("coordinates", "views"),
    "reconstructor": (),
}


def main(argv: list[str]) -> int:
    """Run one step of the training; returns the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        torch.manual_seed(arguments.seed)
        use_available_cores()
        steps = _ORDER if arguments.what == "all" else (arguments.what,)
        for what in steps:
            _run(what, arguments)
    except (BozzettoError, FileNotFoundError) as error:
        print(f"train: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m backend train",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", choices=(*_ORDER, "all", "furniture", "models", "gallery", "check-labels"))
    parser.add_argument("--data", type=Path, nargs="+", help="folders of GLBs with index.csv (for render)")
    parser.add_argument("--libraries", type=Path, nargs="+", help="furniture libraries (.sh3f)")
    parser.add_argument(
        "--out", type=Path, help="where gallery writes its sheets, or furniture and models theirs"
    )
    parser.add_argument("--models", type=Path, metavar="DIR", help="a game's or a simulator's models")
    parser.add_argument("--z-up", action="store_true", help="those models stand on +Z instead of +Y")
    parser.add_argument("--licence", help="of those models, for their index (an SPDX identifier)")
    parser.add_argument("--work", type=Path, default=Path("runs"), help="samples, checkpoints and logs")
    parser.add_argument("--pack", type=Path, default=PACKS_FOLDER / "nano", help="where export writes")
    parser.add_argument(
        "--samples", type=int, default=8000, help="models to render, or samples to generate views for"
    )
    parser.add_argument("--worker", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--steps", type=int, help="training steps in all (a resumed run goes on to this)")
    parser.add_argument("--batch", type=int)
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument(
        "--cooldown", type=float, help="share of the steps over which the rate falls to zero at the end"
    )
    parser.add_argument(
        "--start", type=Path, metavar="PACK", help="folder of a nano pack whose weights training goes on from"
    )
    parser.add_argument(
        "--average", type=Path, metavar="PACK", help="folder of a nano pack to export the mean with"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--generated", action="store_true", help="give the reconstructor generated views half of the time"
    )
    return parser


def _run(what: str, arguments: argparse.Namespace) -> None:
    samples = arguments.work / "data"
    if what == "render":
        render_dataset(
            _data_of(arguments),
            samples,
            samples=arguments.samples,
            shard_size=200,
            worker=arguments.worker,
            workers=arguments.workers,
            seed=arguments.seed,
        )
    elif what == "gallery":
        sheets = arguments.out or Path("docs/training-data")
        for path in write_gallery(_data_of(arguments), sheets, arguments.seed):
            print(f"{path}: {path.stat().st_size / 1000:.0f} kB")
    elif what == "check-labels":
        for folder in _data_of(arguments):
            print(check_folder(folder, arguments.seed))
    elif what == "furniture":
        if not arguments.libraries or arguments.out is None:
            raise OptionError("furniture needs --libraries FILE.sh3f ... and --out DIR, a folder to fill.")
        print(f"Wrote {import_libraries(arguments.libraries, arguments.out)} models to {arguments.out}.")
    elif what == "models":
        if arguments.models is None or arguments.out is None or arguments.licence is None:
            raise OptionError("models needs --models DIR, --licence NAME and --out DIR, a folder to fill.")
        imported = import_folder(
            arguments.models, arguments.out, licence=arguments.licence, z_up=arguments.z_up
        )
        print(f"Wrote {imported.written} models to {arguments.out}; left out: {imported}.")
    elif what == "references":
        render_references(
            _data_of(arguments),
            arguments.work / "references",
            images=arguments.samples * REFERENCES,
            worker=arguments.worker,
            workers=arguments.workers,
            seed=arguments.seed,
        )
    elif what == "generate":
        _generate(arguments)
    elif what == "export":
        _export(arguments)
    else:
        _train(what, arguments, samples)


def _data_of(arguments: argparse.Namespace) -> list[Path]:
    if arguments.data is None:
        raise OptionError(f"{arguments.what} needs --data DIR, a folder of GLBs with their index.csv.")
    return list(arguments.data)


def _train(what: str, arguments: argparse.Namespace, samples: Path) -> None:
    device = pick_device()
    precision = autocast_dtype(device) or torch.float32
    folder = arguments.work / "nano"
    modules = build_nano(NANO)
    resumed = (folder / f"{what}.pt").exists()
    if arguments.start is not None and not resumed:
        load_weights(modules, (what,), arguments.start)
    for name in _NEEDS[what]:
        print(f"Using {name} {_load_trained(modules, name, arguments)}.")
        getattr(modules, name).to(device)
    if what == "normals" and arguments.start is None:
        # A ControlNet starts as a copy of the trained denoiser's encoder; build_nano copied a random one.
        modules = replace(modules, normals=NanoNormalControl(modules.views))
    task: Task[Batch]
    if what == "views":
        task = ViewTask(modules.views, modules.coordinates, make_scheduler(), precision)
    elif what == "normals":
        task = NormalTask(modules.normals, modules.views, modules.coordinates, make_scheduler(), precision)
    elif what == "reconstructor":
        task = ReconstructorTask(modules.reconstructor, precision)
    options = replace(
        _DEFAULTS[what],
        seed=arguments.seed,
        **{
            name: value
            for name in ("steps", "batch", "learning_rate", "cooldown")
            if (value := getattr(arguments, name)) is not None
        },
    )
    print(f"Training {what} on {describe(device)} for {options.steps} steps of {options.batch} samples.")

    if what == "coordinates":
        if arguments.start is None and not resumed:
            load_pretrained(modules.coordinates.trunk)
        train(
            CoordinateTask(modules.coordinates, precision),
            partial(_reference_images, arguments.work),
            ReferenceBatch.stack,
            folder,
            options,
            device,
        )
        return

    def open_data(held_out: bool) -> ExampleSource[Example]:
        rendered = RenderedDataset(samples, validation=held_out)
        if what == "reconstructor" and arguments.generated and not held_out:
            return MixedViews(rendered, arguments.work / "generated")
        return rendered

    train(task, open_data, Batch.stack, folder, options, device)


def _reference_images(work: Path, held_out: bool) -> ExampleSource[HasReference]:
    """The rendered references and, for training, those of the full samples as well."""
    references = ReferenceDataset(work / "references", validation=held_out)
    if held_out or not any((work / "data").glob("shard_*")):
        return references
    return ConcatDataset([references, RenderedDataset(work / "data", validation=False)])


def _load_trained(modules: NanoModules, name: str, arguments: argparse.Namespace) -> str:
    """Fill one network from its checkpoint, or from the pack to start from; returns which, in words."""
    checkpoint = arguments.work / "nano" / f"{name}.pt"
    if arguments.start is not None and not checkpoint.exists():
        load_weights(modules, (name,), arguments.start)
        return f"of {arguments.start}"
    return f"as of step {load_averaged(getattr(modules, name), checkpoint)}"


def _generate(arguments: argparse.Namespace) -> None:
    modules = build_nano(NANO)
    for name in ("coordinates", "views", "normals"):
        _load_trained(modules, name, arguments)
    generate_views_of(
        assemble_nano(modules, NANO, pick_device(), revision="in training"),
        RenderedDataset(arguments.work / "data", validation=False),
        arguments.work / "generated",
        count=arguments.samples,
        worker=arguments.worker,
        workers=arguments.workers,
    )


def _export(arguments: argparse.Namespace) -> None:
    modules = build_nano(NANO)
    for name in modules.names:
        _load_trained(modules, name, arguments)
    if arguments.average is not None:
        others = build_nano(NANO)
        load_weights(others, modules.names, arguments.average)
        for name in modules.names:
            average_into(getattr(modules, name), getattr(others, name))
    save_nano(modules, NANO, arguments.pack)
    manifest = write_manifest(
        arguments.pack,
        licence="GPL-3.0-or-later",
        summary="Six 64-pixel views and their field, trained on CC0, MIT-0, CC BY and GPL models and "
        "procedural shapes over an ImageNet trunk; runs on a CPU.",
    )
    print(f"Wrote {arguments.pack}: {manifest.size / 1e6:.1f} MB, revision {manifest.revision}.")
