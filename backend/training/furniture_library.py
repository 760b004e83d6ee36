"""Furniture libraries of Sweet Home 3D (`.sh3f`) turned into a folder of GLBs that `train` renders from.

A library is a ZIP archive of Wavefront OBJ models with a catalogue, `PluginFurnitureCatalog.properties`, one
`key#number=value` a line. Debian's package `sweethome3d-furniture` holds five of them: 820 household objects,
furniture, food, plants and vehicles by more than a hundred artists, CC0 or CC BY 3.0.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import trimesh
from PIL import Image
from tqdm import tqdm
from trimesh.resolvers import ZipResolver
from trimesh.visual.material import PBRMaterial

from backend.errors import OptionError
from backend.training.imported_models import Piece, material_of, unit_scene, write_index

_CATALOGUE = "PluginFurnitureCatalog.properties"
_BUILDING_PARTS = ("Doors and windows", "Staircases")


@dataclass(frozen=True)
class Entry:
    """One piece of a catalogue."""

    name: str
    category: str
    creator: str
    model: str
    """Its OBJ's path in the archive."""
    rotation: np.ndarray
    """3 x 3, from the file's axes to the catalogue's (+Y up, the front on +Z)."""


def read_catalogue(library: Path) -> tuple[str, list[Entry]]:
    """The library's licence and its pieces, in the catalogue's order.

    Raises:
        OptionError: the file is no library.
    """
    if not zipfile.is_zipfile(library):
        raise OptionError(f"{library} is not a furniture library (.sh3f, a ZIP archive).")
    with zipfile.ZipFile(library) as archive:
        if _CATALOGUE not in archive.namelist():
            raise OptionError(f"{library} has no {_CATALOGUE}: give furniture libraries (.sh3f).")
        text = archive.read(_CATALOGUE).decode("latin-1")
    licence = ""
    pieces: dict[int, dict[str, str]] = {}
    for line in text.splitlines():
        key, _, value = line.partition("=")
        field, _, number = key.partition("#")
        if number.isdigit():
            pieces.setdefault(int(number), {})[field] = value.strip()
        elif field == "license":
            licence = value.strip()
    identity = "1 0 0 0 1 0 0 0 1"
    return licence, [
        Entry(
            name=piece["name"],
            category=piece.get("category", ""),
            creator=piece.get("creator", "unknown"),
            model=piece["model"].lstrip("/"),
            rotation=np.array(piece.get("modelRotation", identity).split(), dtype=float).reshape(3, 3),
        )
        for _, piece in sorted(pieces.items())
        if piece.get("model", "").endswith(".obj")
    ]


def import_libraries(libraries: Sequence[Path], out: Path) -> int:
    """Write every usable model as a GLB, centred, longest side 1, +Y up, beside an index.csv.

    Left out are flat pictures, models that use cut-out textures, and files that hold no triangles.

    Args:
        libraries: `.sh3f` files.
        out: folder to fill; its index is written anew.

    Returns:
        How many models there are.

    Raises:
        OptionError: a library is not one; nothing is written then.
    """
    catalogues = {library: read_catalogue(library) for library in libraries}
    out.mkdir(parents=True, exist_ok=True)
    rows = []
    for library, (licence, entries) in catalogues.items():
        with zipfile.ZipFile(library) as archive:
            for entry in tqdm(entries, desc=library.stem, unit="model"):
                scene = _load(archive, entry)
                if scene is None:
                    continue
                name = re.sub(r"\W+", "_", f"{library.stem}__{Path(entry.model).stem}") + ".glb"
                scene.export(out / name)
                category = "modular" if entry.category in _BUILDING_PARTS else entry.category
                source = f"Sweet Home 3D {library.stem}"
                rows.append((name, entry.name, category, source, licence, f"{library.stem} {entry.creator}"))
    write_index(out, rows)
    return len(rows)


def _load(archive: zipfile.ZipFile, entry: Entry) -> trimesh.Scene | None:
    """The model in its catalogue's pose and the unit box, or None if it is of no use here."""
    folder = entry.model.rpartition("/")[0]
    files = {
        name: io.BytesIO(archive.read(name)) for name in archive.namelist() if name.startswith(f"{folder}/")
    }
    loaded = trimesh.load_scene(
        files[entry.model], file_type="obj", resolver=ZipResolver(files, namespace=folder), process=False
    )
    has_normals = b"\nvn " in files[entry.model].getvalue()
    pieces = []
    for mesh in loaded.geometry.values():
        if not isinstance(mesh, trimesh.Trimesh) or not len(mesh.faces):
            continue
        material = _material_of(mesh.visual)
        if material is None:
            return None
        pieces.append(
            Piece(
                vertices=mesh.vertices @ entry.rotation.T,
                faces=mesh.faces,
                normals=mesh.vertex_normals @ entry.rotation.T if has_normals else None,
                uvs=getattr(mesh.visual, "uv", None),
                material=material,
            )
        )
    return unit_scene(pieces)


def _material_of(visual: object) -> PBRMaterial | None:
    """The diffuse colour or texture, or None for a cut-out."""
    material = getattr(visual, "material", None)
    diffuse = np.asarray(getattr(material, "diffuse", (204, 204, 204)), dtype=np.float32)[:3] / 255
    image = getattr(material, "image", None)
    mapped = isinstance(image, Image.Image) and getattr(visual, "uv", None) is not None
    return material_of(diffuse, image if mapped else None)
