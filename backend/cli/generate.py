"""`python -m backend generate`: images to assets in this process, without server and without Blender."""

from __future__ import annotations

import argparse
import logging
import sys
import threading
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from backend.cli.interrupts import first_interrupt_asks
from backend.cli.output_folders import published_folder, require_writable, unique_names
from backend.cli.packs_folder import add_packs_folder
from backend.cli.progress import TerminalProgress
from backend.errors import BozzettoError, Cancelled, ImageError, OptionError
from backend.jobs.pipeline_runner import PipelineRunner
from backend.jobs.runner import Runner
from backend.options import check_options, check_route, parse_option
from backend.packs.manifest import find_pack, read_manifest
from backend.protocol import LIMITS, ROUTES, JobRequest

logger = logging.getLogger(__name__)

OPTION_HELP = {
    "seed": "same seed, same asset",
    "faces": "triangles, at most",
    "texture_size": "side of the maps, pixels",
    "steps": "denoising steps (default: the pack's)",
    "guidance": "classifier-free guidance scale (default: the pack's)",
    "height_metres": "height of the asset, metres",
    "variants": "make so many, from this seed on; keep all, the best is the result",
}
FLAGS = {"height_metres": "--height"}
"""Where the flag is not the option's own name."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("generate", help="turn images into assets, without Blender")
    parser.add_argument("images", nargs="+", type=Path, metavar="IMAGE")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="results go to DIR/<image name>/"
    )
    parser.add_argument("--pack", default=JobRequest.pack, help="pack of weights (default %(default)s)")
    parser.add_argument(
        "--route", choices=ROUTES, help="way from the image to the field (default: the pack's own)"
    )
    add_packs_folder(parser)
    for option in LIMITS:
        parser.add_argument(
            FLAGS.get(option, f"--{option.replace('_', '-')}"),
            dest=option,
            type=_parser_of(option),
            default=getattr(JobRequest, option),
            metavar=option.upper(),
            help=OPTION_HELP[option],
        )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    options = {option: getattr(arguments, option) for option in LIMITS}
    request = JobRequest(image="", pack=arguments.pack, route=arguments.route, **options)
    # Before torch is loaded, which takes seconds.
    check_route(request.route, request.pack, read_manifest(find_pack(request.pack)).route)
    return generate(arguments.images, arguments.out, request, PipelineRunner())


def generate(images: list[Path], out: Path, request: JobRequest, runner: Runner) -> int:
    """Write `out`/<image name>/ for each image. A failing one is told in one line and leaves nothing.

    Returns 0 when all images gave an asset, 1 otherwise.

    Raises:
        OptionError, PackError, OutputError: nothing could be done for any image.
        KeyboardInterrupt: finished variants of the image at work are kept.
    """
    check_options(request)
    require_writable(out)
    runner.prepare()
    runner.load(request.pack)
    # A single asset in the making is lost whenever one stops; finished variants are not.
    patience = first_interrupt_asks() if request.variants > 1 else nullcontext(threading.Event())
    with patience as stop:
        return _generate_all(images, out, request, runner, stop)


def _generate_all(
    images: list[Path], out: Path, request: JobRequest, runner: Runner, stop: threading.Event
) -> int:
    failures = 0
    for image, name in zip(images, unique_names(images), strict=True):
        try:
            _generate_one(image, out / name, replace(request, name=name), runner, stop)
        except Cancelled:
            raise KeyboardInterrupt from None
        except BozzettoError as error:
            failures += 1
            print(f"{image}: {error}", file=sys.stderr)
        except Exception as error:  # a bug met by one image must not cost the others theirs
            failures += 1
            print(
                f"{image}: Something broke inside Bozzetto ({type(error).__name__}: {error}).",
                file=sys.stderr,
            )
            logger.info("%s", image, exc_info=True)
        else:
            print(out / name)
        if stop.is_set():
            raise KeyboardInterrupt
    return 1 if failures else 0


def _generate_one(
    image: Path, destination: Path, request: JobRequest, runner: Runner, stop: threading.Event
) -> None:
    check_options(request)  # the name comes from the file
    content = _read(image)
    progress = TerminalProgress(request.name, sys.stderr, stop)
    with progress, published_folder(destination) as folder:
        runner.run(content, request, folder, progress)


def _read(image: Path) -> bytes:
    try:
        return image.read_bytes()
    except OSError as error:
        raise ImageError(f"It cannot be read ({error.strerror}). Check the path.") from error


def _parser_of(option: str) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            return parse_option(option, text)
        except OptionError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return parse
