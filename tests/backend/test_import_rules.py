"""The design's rules on who may import whom, held for every file of both trees."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ADDON, BACKEND = "blender_addon", "backend"

CONTRACT = ("backend.protocol", "backend.settings", "backend.errors", "backend.options")
"""Standard library only, for they are what everything else, and partly the add-on, builds on."""

LAYERS = {
    "backend.geometry": ("backend.geometry",),
    "backend.models": ("backend.models", "backend.geometry"),
    "backend.packs": ("backend.packs", "backend.models"),
    "backend.pipeline": ("backend.pipeline", "backend.models", "backend.geometry", "backend.packs"),
    "backend.jobs": ("backend.jobs", "backend.packs.manifest"),
    "backend.api": ("backend.api", "backend.jobs", "backend.packs.manifest"),
}
"""What each layer may import of the backend, beside the contract. The others sit on top of all."""

SHARED = ("backend.pipeline.stage_data", "backend.device")
"""Types between the stages, and the devices: open to geometry, models, packs and pipeline."""

TORCH_FREE = ("backend.api", "backend.jobs", "backend.cli", "backend.packs.manifest", "backend.__main__")
TORCH = ("torch", "diffusers", "transformers", "safetensors", "accelerate", "torchvision")
WORKER = "backend.jobs.pipeline_runner"
"""Runs inside the worker process: may reach the pipeline, but only when called."""


@dataclass(frozen=True)
class Import:
    importer: str
    """Dotted name of the importing module."""
    imported: str
    at_load: bool
    """False inside a function or under `if TYPE_CHECKING:`."""


def modules(root: Path) -> Iterator[tuple[str, ast.Module]]:
    """(dotted name, syntax tree) of each module in both trees."""
    for top in (ADDON, BACKEND):
        for path in sorted((root / top).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            yield name, ast.parse(path.read_text(encoding="utf-8"), path)


def imports(root: Path) -> list[Import]:
    packages = {name for name, _ in modules(root) if (root / name.replace(".", "/")).is_dir()}
    found = []
    for name, tree in modules(root):
        for imported, at_load in _imports_in(tree, name, name in packages, True):
            found.append(Import(name, imported, at_load))
    return found


def _imports_in(node: ast.AST, name: str, is_package: bool, at_load: bool) -> Iterator[tuple[str, bool]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from ((alias.name, at_load) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            source = _absolute(child, name, is_package)
            # `from a import b` may bring the module a.b or a name in a: the longer one says more.
            yield from ((f"{source}.{alias.name}", at_load) for alias in child.names)
        else:
            deferred = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) or _is_type_checking(child)
            yield from _imports_in(child, name, is_package, at_load and not deferred)


def _absolute(node: ast.ImportFrom, name: str, is_package: bool) -> str:
    if not node.level:
        return node.module or ""
    parts = name.split(".")
    base = parts[: len(parts) - node.level + (1 if is_package else 0)]
    return ".".join([*base, node.module] if node.module else base)


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


def within(name: str, *prefixes: str) -> bool:
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)


def broken_rules(root: Path) -> list[str]:
    """One line for each import that the design does not allow."""
    wrong = []
    for one in imports(root):
        importer, imported = one.importer, one.imported
        if within(importer, ADDON) and within(imported, BACKEND, *TORCH):
            wrong.append(f"{importer} imports {imported}: the add-on runs without the backend")
        if within(importer, BACKEND) and within(imported, "bpy", "bmesh", "mathutils", ADDON):
            wrong.append(f"{importer} imports {imported}: the backend runs without Blender")
        if within(importer, *CONTRACT) and not (
            imported.partition(".")[0] in sys.stdlib_module_names or within(imported, *CONTRACT)
        ):
            wrong.append(f"{importer} imports {imported}: the contract knows the standard library only")
        if within(importer, *TORCH_FREE) and importer != WORKER and within(imported, *TORCH):
            wrong.append(f"{importer} imports {imported}: only the worker process reaches torch")
        if (
            importer == WORKER
            and one.at_load
            and within(imported, BACKEND)
            and not _allowed(importer, imported)
        ):
            wrong.append(f"{importer} imports {imported} when loaded: the server, too, loads this file")
        if importer != WORKER and within(importer, *LAYERS) and not _allowed(importer, imported):
            wrong.append(f"{importer} imports {imported}: not a layer below")
    return wrong


def _allowed(importer: str, imported: str) -> bool:
    """Whether the layers allow it; whatever lies outside the backend they do not judge."""
    if not within(imported, BACKEND) or within(imported, *CONTRACT, "backend.__version__"):
        return True
    layer = next(layer for layer in LAYERS if within(importer, layer))
    shared = (
        SHARED if layer in ("backend.geometry", "backend.models", "backend.packs", "backend.pipeline") else ()
    )
    return within(imported, *LAYERS[layer], *shared)


def device_names(root: Path) -> list[str]:
    """Where a module other than device.py says 'cuda', in code or in a string that is not documentation."""
    said = []
    for name, tree in modules(root):
        if not within(name, BACKEND) or name == "backend.device":
            continue
        documentation = {
            id(node.value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        }
        for node in ast.walk(tree):
            word = getattr(node, "attr", getattr(node, "id", getattr(node, "value", None)))
            if isinstance(word, str) and "cuda" in word.lower() and id(node) not in documentation:
                said.append(f"{name}:{node.lineno} says {word!r}: only backend.device does")
    return said


def test_the_trees_hold_the_import_rules() -> None:
    assert broken_rules(ROOT) == []


def test_only_device_names_devices() -> None:
    assert device_names(ROOT) == []


@pytest.mark.parametrize(
    ("file", "code", "text"),
    [
        ("blender_addon/x.py", "import backend.errors", "runs without the backend"),
        ("blender_addon/x.py", "def f():\n    import torch", "runs without the backend"),
        ("backend/geometry/x.py", "def f():\n    import bpy", "runs without Blender"),
        ("backend/protocol.py", "import numpy", "standard library only"),
        ("backend/api/x.py", "def f():\n    from torch import nn", "only the worker"),
        ("backend/jobs/x.py", "from backend.pipeline import stage_data", "not a layer below"),
        ("backend/jobs/pipeline_runner.py", "from backend.pipeline import stage_data", "when loaded"),
        ("backend/models/layers/x.py", "from ...pipeline import texture", "not a layer below"),
        ("backend/models/x.py", "from backend import training", "not a layer below"),
        ("backend/geometry/x.py", "from backend.models import presets", "not a layer below"),
        ("backend/pipeline/x.py", "import backend.training.losses", "not a layer below"),
    ],
)
def test_a_broken_rule_is_found(tmp_path: Path, file: str, code: str, text: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_text(code)
    assert any(text in line for line in broken_rules(tmp_path))


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ("blender_addon/x.py", "import bpy\nfrom .protocol import JobStatus"),
        ("backend/jobs/pipeline_runner.py", "def f():\n    from backend.pipeline import image_to_asset"),
        ("backend/pipeline/x.py", "from backend.models import presets\nfrom backend.device import autocast"),
        ("backend/training/x.py", "from backend.pipeline import mesh\nimport torch"),
        ("backend/models/layers/x.py", "from ...geometry import cameras\nimport torch"),
    ],
)
def test_what_the_design_allows_passes(tmp_path: Path, file: str, code: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_text(code)
    assert broken_rules(tmp_path) == []


@pytest.mark.parametrize("code", ["x.cuda()", "device = 'cuda:0'", "import torch\ntorch.cuda.is_available()"])
def test_a_device_name_is_found(tmp_path: Path, code: str) -> None:
    (tmp_path / "backend").mkdir()
    (tmp_path / "backend" / "x.py").write_text(f'"""Documentation may say cuda."""\n{code}\n')
    assert len(device_names(tmp_path)) == 1
