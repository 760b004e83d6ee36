"""Folders of models in the formats that Assimp reads turned into a folder of GLBs that `train` renders from.

Free games and simulators hold thousands of textured models, most of them in formats that nothing else reads:
AC3D (`.ac`) in FlightGear, Quake II's MD2 in UFO: Alien Invasion.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import assimp_py
import numpy as np
import trimesh
from jaxtyping import Float
from PIL import Image, UnidentifiedImageError
from tqdm import tqdm

from backend.errors import OptionError
from backend.training.imported_models import TEXTURE_SIDE, Piece, material_of, unit_scene, write_index

FORMATS = (".3ds", ".ac", ".ase", ".b3d", ".dae", ".md2", ".md3", ".ms3d", ".obj", ".stl", ".x")
"""Files that are taken for models."""
_IMAGES = (".png", ".jpg", ".rgb", ".tga", ".bmp")
_FEWEST_FACES = 24
"""A model of fewer is a sign, a wall or a box."""
_MOST_FACES = 60_000
_SEE_THROUGH = 0.5
"""Opacity below which a part is left out: lamps' halos, propeller discs, glass."""
_Z_UP = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
"""From axes with +Z up to ours."""
_FLAGS = assimp_py.Process_Triangulate | assimp_py.Process_PreTransformVertices


@dataclass(frozen=True)
class FolderImport:
    """What became of a folder's files; as text, what was left out."""

    written: int
    left_out: dict[str, int]
    """How many files were left out, by reason."""

    def __str__(self) -> str:
        return ", ".join(f"{count} {reason}" for reason, count in sorted(self.left_out.items())) or "none"


def import_folder(folder: Path, out: Path, *, licence: str, z_up: bool = False) -> FolderImport:
    """Write every usable model below `folder` as a GLB, centred, longest side 1, +Y up, beside an index.csv.

    Files of the same shape (liveries, seasons) count once, in the order of their paths. The subfolder that a
    model lies in is its pack: validation holds out whole packs.

    Args:
        folder: searched to any depth for FORMATS.
        out: folder to fill; its index is written anew.
        licence: of all of them, for the index.
        z_up: whether +Z is up in the files; else +Y is. (STL does not say.)

    Raises:
        OptionError: the folder holds no models.
    """
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in FORMATS)
    if not paths:
        raise OptionError(f"{folder} holds no models: give a folder of {', '.join(FORMATS)} files.")
    out.mkdir(parents=True, exist_ok=True)
    rows: list[tuple[str, ...]] = []
    left_out: Counter[str] = Counter()
    shapes: set[bytes] = set()
    names: set[str] = set()
    for path in tqdm(paths, desc=folder.name, unit="model"):
        scene = _load(path, _Z_UP if z_up else np.eye(3))
        if isinstance(scene, str):
            left_out[scene] += 1
            continue
        shape = _shape_of(scene)
        if shape in shapes:
            left_out["of the same shape"] += 1
            continue
        shapes.add(shape)
        inside = path.relative_to(folder)
        stem = re.sub(r"\W+", "_", str(inside))
        name = f"{stem}.glb" if f"{stem}.glb" not in names else f"{stem}_{len(rows)}.glb"
        names.add(name)
        scene.export(out / name)
        category, pack = "".join(inside.parent.parts[:1]), Path(folder.name, inside.parent).as_posix()
        rows.append((name, path.stem, category, folder.name, licence, pack))
    write_index(out, rows)
    return FolderImport(len(rows), dict(left_out))


def _load(path: Path, rotation: Float[np.ndarray, "3 3"]) -> trimesh.Scene | str:
    """The model, rotated, in the unit box, or why it is left out."""
    try:
        scene = assimp_py.import_file(str(path), _FLAGS)
    except (ValueError, RuntimeError):
        return "unreadable"
    described = [(mesh, scene.materials[mesh.material_index]) for mesh in scene.meshes if mesh.indices]
    solid = [(mesh, material) for mesh, material in described if material.get("OPACITY", 1.0) >= _SEE_THROUGH]
    if not _FEWEST_FACES <= sum(mesh.num_faces for mesh, _ in solid) <= _MOST_FACES:
        return "of too few or too many faces"
    pieces = [_piece_of(mesh, material, path.parent, rotation) for mesh, material in solid]
    if any(piece is None for piece in pieces):
        return "with cut-outs"
    return unit_scene(piece for piece in pieces if piece is not None) or "flat"


def _piece_of(
    mesh: Any, described: dict[str, Any], folder: Path, rotation: Float[np.ndarray, "3 3"]
) -> Piece | None:
    """One of Assimp's meshes, rotated, or None if its texture is a cut-out."""
    image = None
    uvs = None
    named = described.get("TEXTURES", {}).get(assimp_py.TextureType_DIFFUSE)
    if named and mesh.texcoords:
        image = _open_texture(folder, named[0])
        uvs = np.asarray(mesh.texcoords[0], dtype=np.float64).reshape(mesh.num_vertices, -1)[:, :2]
    diffuse = np.clip(described.get("COLOR_DIFFUSE", (0.8, 0.8, 0.8))[:3], 0, 1)
    material = material_of(np.asarray(diffuse, dtype=np.float32), image)
    if material is None:
        return None

    def rotated(values: Any) -> Float[np.ndarray, "vertex 3"]:
        return np.asarray(values, dtype=np.float64).reshape(-1, 3) @ rotation.T

    return Piece(
        vertices=rotated(mesh.vertices),
        faces=np.asarray(mesh.indices, dtype=np.int64).reshape(-1, 3),
        normals=None if mesh.normals is None else rotated(mesh.normals),
        uvs=uvs,
        material=material,
    )


def _open_texture(folder: Path, named: str) -> Image.Image | None:
    """The picture of that name beside the model, in whatever format it is there; None if there is none."""
    wanted = Path(named.replace("\\", "/").lower())
    beside = {path.name.lower(): path for path in folder.iterdir()}
    for name in (wanted.name, *(wanted.stem + suffix for suffix in _IMAGES)):
        if name in beside and (image := _read_small(beside[name])) is not None:
            return image
    return None


@lru_cache(maxsize=32)
def _read_small(path: Path) -> Image.Image | None:
    """The picture as RGBA and no larger than is kept (many parts share one), or None if it is none."""
    try:
        with Image.open(path) as image:
            small = image.convert("RGBA")
    except (UnidentifiedImageError, OSError, ValueError):
        return None
    small.thumbnail((TEXTURE_SIDE, TEXTURE_SIDE), reducing_gap=2.0)
    return small


def _shape_of(scene: trimesh.Scene) -> bytes:
    """The same for scenes of the same triangles, whatever their materials."""
    digest = sha256()
    for mesh in scene.geometry.values():
        digest.update(np.asarray(mesh.vertices[mesh.faces.ravel()] * 1000).round().astype(np.int16).tobytes())
    return digest.digest()
