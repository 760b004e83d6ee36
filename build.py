#!/usr/bin/env python3
"""Set up, run, test and package Bozzetto. Standard library only; Python 3.11.

    python3 build.py run IMAGE... [--out DIR] [options]   images to assets, Blender scenes included
    python3 build.py test [pytest arguments]              all tests, inside and outside Blender
    python3 build.py addon                                dist/bozzetto-VERSION.zip
    python3 build.py setup                                only make the environments
    python3 build.py protocol                             copy backend/protocol.py into the add-on

Everything it makes for itself lies in .bozzetto/.
"""

from __future__ import annotations

import sys

if sys.version_info[:2] != (3, 11):
    # Before the imports below, which need it. bpy, Blender's module, exists for one Python version only.
    sys.exit("build.py needs Python 3.11 and was started with {}.{}.".format(*sys.version_info[:2]))

import argparse
import ctypes
import importlib.util
import os
import re
import subprocess
import tempfile
import tomllib
import xml.etree.ElementTree as ElementTree
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from blender_addon.backend_process import LocalBackend
from blender_addon.environment import Environment
from blender_addon.errors import AddonError, SetupError
from blender_addon.output_folder import make_writable
from blender_addon.progress_bar import ProgressBar
from blender_addon.protocol import LIMITS, ROUTES, JobRequest

ROOT = Path(__file__).resolve().parent
WORK = ROOT / ".bozzetto"
PINS = ROOT / "requirements"
ADDON = ROOT / "blender_addon"
DIST = ROOT / "dist"
MINIMUM_BLENDER = (4, 2)
PROTOCOL_HEADER = """\
# Generated from backend/protocol.py by `python3 build.py protocol`: change that file, not this one.
"""


def main(arguments: Sequence[str]) -> int:
    options, rest = parse(arguments)
    try:
        if options.command == "run":
            return run(options)
        if options.command == "test":
            return test(rest)
        if options.command == "setup":
            check_system_libraries()
            backend_environment(), blender_environment()
        elif options.command == "addon":
            print(build_addon())
        else:
            (ADDON / "protocol.py").write_text(generated_protocol(), encoding="utf-8")
        return 0
    except AddonError as error:
        print(f"build.py: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def parse(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """The command's options, and what `test` hands on to pytest."""
    parser = argparse.ArgumentParser(prog="build.py", description="Set up, run, test and package Bozzetto.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_run_options(commands.add_parser("run", help="turn images into assets"))
    commands.add_parser("test", help="run the tests; further arguments go to pytest", add_help=False)
    commands.add_parser("addon", help="build the extension's zip")
    commands.add_parser("setup", help="make the environments")
    commands.add_parser("protocol", help="copy the protocol into the add-on")
    options, rest = parser.parse_known_args(arguments)
    if rest and options.command != "test":
        parser.error(f"unknown arguments: {' '.join(rest)}")
    return options, rest


def run(options: argparse.Namespace) -> int:
    """Each image through the backend and Blender: 0 all well, 1 an image failed, 2 nothing could be done."""
    make_writable(options.out)
    if options.blender is not None:
        check_blender(options.blender)
    check_system_libraries()
    backend_python = backend_environment().python
    if options.blender is None:
        blender = [str(blender_environment().python), str(ADDON / "headless.py")]
    else:
        script = str(ADDON / "headless.py")
        blender = [options.blender, "--background", "--factory-startup", "--python", script, "--"]
    backend = LocalBackend(backend_python, ROOT, WORK / "data")
    try:
        address = backend.start()
        command = [
            *(*blender, *(Path(image).resolve() for image in options.images)),
            *("--out", options.out.resolve(), "--pack", options.pack),
            *("--seed", options.seed, "--faces", options.faces, "--texture-size", options.texture_size),
            *("--variants", options.variants, "--address", address, "--token-file", backend.token_file),
        ]
        if options.route is not None:
            command += ["--route", options.route]
        log_file = WORK / "blender.log"
        with log_file.open("w") as log:
            # Blender tells every step of every render on standard output; the add-on speaks on the other.
            environment = {**os.environ, "BLENDER_USER_RESOURCES": str(WORK / "blender-user")}
            code = subprocess.call([str(part) for part in command], stdout=log, env=environment)
    finally:
        backend.stop()
    if code < 0:
        raise SetupError(f"Blender was ended by signal {-code}; its last words are in {log_file}.")
    return code


def test(arguments: Sequence[str]) -> int:
    """Run pytest in both environments, each on its share of the tests; 0 when nothing failed in either."""
    check_system_libraries()
    inside = ROOT / "tests" / "in_blender"
    paths = [a for a in arguments if not a.startswith("-") and (ROOT / a.partition("::")[0]).exists()]
    options = [a for a in arguments if a not in paths]
    in_blender = [a for a in paths if (ROOT / a.partition("::")[0]).is_relative_to(inside)]
    outside = [a for a in paths if a not in in_blender]
    codes, counts = [], {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    if outside or not paths:
        python = backend_environment(with_tests=True).python
        codes.append(_pytest(python, [*options, f"--ignore={inside}", *outside], counts))
    if in_blender or not paths:
        python = blender_environment(with_tests=True).python
        codes.append(_pytest(python, [*options, *(in_blender or [str(inside)])], counts))
    failed = counts["failures"] + counts["errors"]
    print(
        f"{counts['tests'] - failed - counts['skipped']} passed, {failed} failed, {counts['skipped']} skipped"
    )
    # 5 is "no test selected", which -k and -m may well mean for one of the two.
    bad = [code for code in codes if code not in (0, 5)]
    return bad[0] if bad else min(codes)


def build_addon() -> Path:
    """The extension as a zip, the same bytes for the same files."""
    manifest = tomllib.loads((ADDON / "blender_manifest.toml").read_text(encoding="utf-8"))
    target = DIST / f"{manifest['id']}-{manifest['version']}.zip"
    target.parent.mkdir(exist_ok=True)
    files = {path.relative_to(ADDON).as_posix(): path for path in ADDON.rglob("*") if path.is_file()}
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path in sorted({**files, "LICENSE": ROOT / "LICENSE"}.items()):
            if "__pycache__" not in name and name != "headless.py":
                archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), path.read_bytes())
    return target


def generated_protocol() -> str:
    """What blender_addon/protocol.py must hold."""
    return PROTOCOL_HEADER + (ROOT / "backend" / "protocol.py").read_text(encoding="utf-8")


def backend_environment(with_tests: bool = False) -> Environment:
    files = ["backend.txt", *(["backend-test.txt"] if with_tests else [])]
    return _made(Environment(WORK / "environment", tuple(PINS / f for f in files), PINS / "torch.txt"))


def blender_environment(with_tests: bool = False) -> Environment:
    """Blender's module, apart from the backend because the two pin different versions of numpy."""
    files = ["blender.txt", *(["blender-test.txt"] if with_tests else [])]
    return _made(Environment(WORK / "blender", tuple(PINS / f for f in files)))


def check_system_libraries() -> None:
    """Raises SetupError naming everything that is missing and the one command that installs it."""
    if not sys.platform.startswith("linux"):
        return
    rows = [
        line.split()
        for line in (PINS / "system-libraries.txt").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    missing = {library: package for library, package in rows if not _loads(library)}
    if importlib.util.find_spec("ensurepip") is None:
        missing["ensurepip"] = "python3.11-venv"
    if missing:
        packages = " ".join(sorted(set(missing.values())))
        raise SetupError(
            f"This system lacks {', '.join(missing)}. Install with:\n"
            f"  sudo apt-get update && sudo apt-get install -y --no-install-recommends {packages}"
        )


def check_blender(program: str) -> None:
    """Raises SetupError when `program` is no Blender, or one that is too old."""
    try:
        answer = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SetupError(f"--blender {program} cannot be run: {error}.") from error
    match = re.search(r"Blender (\d+)\.(\d+)", answer.stdout)
    if match is None:
        raise SetupError(f"--blender {program} does not answer like Blender. Name the program itself.")
    if (int(match[1]), int(match[2])) < MINIMUM_BLENDER:
        needed = "{}.{}".format(*MINIMUM_BLENDER)
        raise SetupError(f"{program} is Blender {match[1]}.{match[2]}; Bozzetto needs {needed} or later.")


def _add_run_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("images", nargs="+", metavar="IMAGE")
    parser.add_argument("--out", type=Path, default=Path("out"), metavar="DIR", help="default: %(default)s")
    parser.add_argument("--pack", default=JobRequest.pack, help="weights to use; default: %(default)s")
    parser.add_argument(
        "--route", choices=ROUTES, help="way from the image to the shape; default: the pack's"
    )
    for name in ("seed", "faces", "texture_size", "variants"):
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            type=_whole_number_of(name),
            default=getattr(JobRequest, name),
            metavar="N",
            help="default: %(default)s",
        )
    parser.add_argument("--blender", metavar="PATH", help="a Blender program instead of the bpy module")


def _whole_number_of(option: str) -> Callable[[str], int]:
    limit = LIMITS[option]

    def parse(text: str) -> int:
        number = int(text)
        if not limit.low <= number <= limit.high:
            raise argparse.ArgumentTypeError(f"{number} is not from {limit.low:g} to {limit.high:.10g}")
        return number

    parse.__name__ = "whole number"
    return parse


def _made(environment: Environment) -> Environment:
    if not environment.is_current():
        bar = ProgressBar(f"setting up {environment.folder.name}", sys.stderr)
        environment.make(bar.show, use_uv=False)
        bar.close("done")
    return environment


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _pytest(python: Path, arguments: Sequence[str], counts: dict[str, int]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results.xml"
        code = subprocess.call([str(python), "-m", "pytest", f"--junitxml={results}", *arguments], cwd=ROOT)
        if code < 0:
            print(f"build.py: signal {-code} ended pytest; what it had run is not counted.", flush=True)
            counts["tests"] += 1
            counts["errors"] += 1
        elif results.exists():
            for suite in ElementTree.parse(results).iter("testsuite"):
                for key in counts:
                    counts[key] += int(suite.get(key, 0))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
