"""Run the batch command from this very folder, without installing the add-on first.

    python headless.py ARGUMENTS                                     with the bpy module
    blender --background --factory-startup --python headless.py -- ARGUMENTS

Not part of the extension: build.py and the tests use it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import bpy  # isort: skip  (as a module, it makes the next one importable)
import addon_utils

MINIMUM_VERSION = (4, 2, 0)


def enable() -> str:
    """Enable this folder as an add-on for this session; its module name."""
    folder = Path(__file__).resolve().parent
    sys.path.insert(0, str(folder.parent))
    for name in ("io_scene_gltf2", folder.name):
        if addon_utils.enable(name, default_set=True) is None:
            raise SystemExit(f"bozzetto: Blender {bpy.app.version_string} could not load {name}.")
    return folder.name


def run(arguments: list[str]) -> int:
    if bpy.app.version < MINIMUM_VERSION:
        version = bpy.app.version_string
        print(f"bozzetto: Blender {version} is too old; 4.2 or later is needed.", file=sys.stderr)
        return 2
    module = enable()
    batch = sys.modules[f"{module}.batch"]
    return batch.main(arguments)


if __name__ == "__main__":
    # Blender would leave with 0 whatever a script raised.
    sys.exit(run(sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else sys.argv[1:]))
