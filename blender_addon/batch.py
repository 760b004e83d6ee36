"""Images to assets without a window: `blender --command bozzetto IMAGE... --out DIR`.

Background mode runs no timers, so the job is followed right here.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import bpy

from . import artifacts
from .backend_client import BackendClient
from .backend_process import LocalBackend
from .errors import AddonError
from .job_watcher import Finished, Progressed, encode_image, follow_job, read_image
from .output_folder import make_writable, whole_or_nothing
from .preferences import current_choice, read_token
from .progress_bar import ProgressBar
from .properties import DEFAULTS
from .protocol import LIMITS, ROUTES, JobRequest, JobStatus
from .scene.import_asset import import_asset
from .scene.metadata import Parameters
from .scene.render_preview import ReferenceCamera, render_preview

COMMAND = "bozzetto"


def main(arguments: Sequence[str]) -> int:
    """Run the command line: 0 when all went well, 1 when an image failed, 2 when nothing could be done."""
    options = _parser().parse_args(arguments)
    try:
        make_writable(options.out)
        with _client(options) as client:
            health = client.health()
            if options.pack not in health.packs:
                known = ", ".join(health.packs)
                raise AddonError(f"There is no pack {options.pack!r}. Known packs: {known}.")
            names = folder_names(options.images)
            done = [_one(client, *item, options) for item in zip(options.images, names, strict=True)]
    except AddonError as error:
        print(f"bozzetto: {error}", file=sys.stderr)
        return 2
    return 0 if all(done) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=COMMAND, description="One image in, one textured asset out.")
    parser.add_argument("images", nargs="+", type=Path, metavar="IMAGE")
    parser.add_argument("--out", type=Path, default=Path("out"), metavar="DIR")
    parser.add_argument("--pack", default=DEFAULTS.pack)
    parser.add_argument(
        "--route", choices=ROUTES, help="way from the image to the shape; default: the pack's"
    )
    for name in ("seed", "faces", "texture_size", "variants"):
        flag = f"--{name.replace('_', '-')}"
        parser.add_argument(flag, type=_limited(name), default=getattr(DEFAULTS, name), metavar="N")
    parser.add_argument("--address", help="a running backend's address; a local one is started otherwise")
    parser.add_argument("--token-file", type=Path, help="the running backend's token file")
    return parser


def _limited(name: str) -> Callable[[str], int]:
    limit = LIMITS[name]

    def parse(text: str) -> int:
        value = int(text)
        if not limit.low <= value <= limit.high:
            raise argparse.ArgumentTypeError(f"{value} is not from {limit.low:g} to {limit.high:.10g}")
        return value

    parse.__name__ = "whole number"
    return parse


def folder_names(images: Sequence[Path]) -> list[str]:
    """A folder for each image: its name without the ending, numbered where another has that already."""
    names: list[str] = []
    for image in images:
        taken = {name.casefold() for name in names}
        numbered = (f"{image.stem}_{number}" for number in itertools.count(2))
        candidates = itertools.chain([image.stem], numbered)
        names.append(next(name for name in candidates if name.casefold() not in taken))
    return names


@contextmanager
def _client(options: argparse.Namespace) -> Iterator[BackendClient]:
    if options.address:
        yield BackendClient(options.address, read_token(options.token_file))
        return
    choice = current_choice(bpy.context)
    backend: LocalBackend = choice.local_backend()
    try:
        yield BackendClient(backend.start(), backend.token)
    finally:
        backend.stop()


def _one(client: BackendClient, image: Path, name: str, options: argparse.Namespace) -> bool:
    """One image to its folder, whole or not at all; whether it worked."""
    bar = ProgressBar(image.name, sys.stderr)
    began = time.monotonic()
    target = options.out / name
    try:
        request = JobRequest(
            image=encode_image(read_image(image)),
            name=name,
            pack=options.pack,
            route=options.route,
            seed=options.seed,
            faces=options.faces,
            texture_size=options.texture_size,
            variants=options.variants,
        )
        with whole_or_nothing(target) as folder:
            for event in follow_job(client, request, folder, threading.Event()):
                if isinstance(event, Progressed):
                    bar.show(_stage_text(event.status, options.variants), event.status.fraction)
                if isinstance(event, Finished):
                    request = replace(request, seed=event.seed)
            bar.show("Blender scene", 1.0)
            _write_scene(folder, name, Parameters.of(request, image.name))
    except AddonError as error:
        bar.close(f"failed: {error}")
        return False
    bar.close(f"{target} ({time.monotonic() - began:.0f} s)")
    return True


def _stage_text(status: JobStatus, variants: int) -> str:
    place = f" ({status.variant + 1} of {variants})" if variants > 1 and status.stage else ""
    return (status.stage or "waiting") + place


def _write_scene(folder: Path, name: str, parameters: Parameters) -> None:
    """asset.blend and preview.png beside the files that the backend made."""
    bpy.ops.wm.read_homefile(use_empty=True)
    asset = import_asset(bpy.context, folder / artifacts.ASSET, name, parameters)
    report = json.loads((folder / artifacts.REPORT).read_text(encoding="utf-8"))
    for screen in bpy.data.screens:
        for area in screen.areas:
            if area.type == "VIEW_3D":
                area.spaces.active.shading.type = "MATERIAL"
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "asset.blend"), compress=True)
    camera = report["reference_camera"]
    render_preview(
        asset,
        folder / artifacts.FOREGROUND,
        ReferenceCamera(camera["camera_to_world"], camera["focal"], tuple(camera["centre"])),
        folder / "preview.png",
    )


_handle = None


def register() -> None:
    global _handle
    _handle = bpy.utils.register_cli_command(COMMAND, main)


def unregister() -> None:
    global _handle
    bpy.utils.unregister_cli_command(_handle)
    _handle = None
