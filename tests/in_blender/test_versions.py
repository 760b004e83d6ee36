"""The same tests in the other Blenders that the add-on supports; minutes and gigabytes, hence the marker."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "bozzetto-tests"
BLENDERS = [("4.2.23", "3.11"), ("5.0.1", "3.11"), ("5.2.3", "3.13")]


def python_of(bpy_version: str, python_version: str) -> Path:
    """The Python of an environment with this Blender, made once and kept in the user's cache."""
    folder = CACHE / f"bpy-{bpy_version}"
    python = folder / "bin" / "python"
    done = folder / "complete"
    if not done.exists():
        base = find_python(python_version)
        subprocess.run([base, "-m", "venv", "--clear", str(folder)], check=True)
        packages = [f"bpy=={bpy_version}", "pytest", "requests"]
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *packages], check=True)
        done.touch()
    return python


def find_python(version: str) -> str:
    pyenv = sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python"))
    found = str(pyenv[-1]) if pyenv else shutil.which(f"python{version}")
    if found is None:
        pytest.skip(f"no Python {version} on this machine")
    return found


@pytest.mark.blender_versions
@pytest.mark.parametrize(("bpy_version", "python_version"), BLENDERS)
def test_the_addon_works_in(bpy_version: str, python_version: str) -> None:
    python = python_of(bpy_version, python_version)
    # The bpy 4.2 module crashes when its process is torn down, after the last test: leave before that.
    run = "import os, pytest, sys; code = pytest.main(sys.argv[1:]); sys.stdout.flush(); os._exit(code)"
    result = subprocess.run(
        [str(python), "-c", run, "-q", "-p", "no:cacheprovider", "tests/in_blender"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
