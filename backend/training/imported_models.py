"""What the importers of training assets share: pieces to a GLB in the unit box, colours, and the index."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import trimesh
from jaxtyping import Float, Int
from PIL import Image
from scipy import sparse
from trimesh.visual import TextureVisuals
from trimesh.visual.material import PBRMaterial

from backend.training.assets import srgb_to_linear

_COLUMNS = ("file", "name", "category", "source_repo", "licence", "pack")
"""Of the index, as far as training reads them."""
TEXTURE_SIDE = 256
"""Largest of a texture that is kept."""
_CUT_OUT_SHARE = 0.02
"""Textures with more see-through texels are cut-outs (leaves on cards), which the renderer cannot show."""
_CREASE = np.radians(40)
"""Faces that meet at less are shaded smoothly where a file has no normals."""
_THINNEST = 0.004
"""Of the longest side; below, a model is a picture or a carpet."""


@dataclass(frozen=True)
class Piece:
    """Triangles of one material, +Y up, in any unit."""

    vertices: Float[np.ndarray, "vertex 3"]
    faces: Int[np.ndarray, "face 3"]
    normals: Float[np.ndarray, "vertex 3"] | None
    uvs: Float[np.ndarray, "vertex 2"] | None
    """v up."""
    material: PBRMaterial


def unit_scene(pieces: Iterable[Piece]) -> trimesh.Scene | None:
    """The pieces centred, longest side 1, or None if there are no triangles or they lie in one plane."""
    kept = [piece for piece in pieces if len(piece.faces)]
    if not kept:
        return None
    corners = np.concatenate([piece.vertices[piece.faces.ravel()] for piece in kept])
    low, high = corners.min(0), corners.max(0)
    longest = float((high - low).max())
    if not longest > 0 or (high - low).min() < _THINNEST * longest:
        return None
    scene = trimesh.Scene()
    for piece in kept:
        vertices = (piece.vertices - (low + high) / 2) / longest
        faces, normals = piece.faces, piece.normals
        # Without coordinates trimesh would not write the material.
        uvs = np.zeros((len(vertices), 2)) if piece.uvs is None else piece.uvs
        if normals is None:
            normals = creased_normals(vertices, faces)
            vertices, uvs = vertices[faces.ravel()], uvs[faces.ravel()]
            faces = np.arange(len(vertices)).reshape(-1, 3)
        mesh = trimesh.Trimesh(vertices, faces, vertex_normals=normals, process=False)
        mesh.visual = TextureVisuals(uv=uvs, material=piece.material)
        scene.add_geometry(mesh)
    return scene


def creased_normals(
    vertices: Float[np.ndarray, "vertex 3"], faces: Int[np.ndarray, "face 3"]
) -> Float[np.ndarray, "corner 3"]:
    """Each corner's normal: the mean, by area, of the faces around it that meet its own at less than _CREASE.

    Vertices at the same place are one.
    """
    cross = np.cross(*(vertices[faces[:, i]] - vertices[faces[:, 0]] for i in (1, 2)))
    unit = cross / np.linalg.norm(cross, axis=1, keepdims=True).clip(1e-20)
    places = np.unique((vertices * 1e5).round(), axis=0, return_inverse=True)[1].reshape(-1)[faces.ravel()]
    corners = np.arange(len(places))
    at = sparse.csr_array((np.ones(len(places)), (corners, places)))
    together = (at @ at.T).tocoo()
    one, other = together.row // 3, together.col // 3
    smooth = (unit[one] * unit[other]).sum(1) > np.cos(_CREASE)
    smooth |= one == other
    blend = sparse.csr_array(
        (np.ones(smooth.sum()), (together.row[smooth], together.col[smooth])), shape=together.shape
    )
    normals = blend @ np.repeat(cross, 3, axis=0)
    return np.asarray(normals / np.linalg.norm(normals, axis=1, keepdims=True).clip(1e-20))


def material_of(diffuse: Float[np.ndarray, " 3"], image: Image.Image | None) -> PBRMaterial | None:
    """A colour, or a texture times it, as a material; None for a cut-out.

    Args:
        diffuse: in [0, 1]. Programs before physically based shading show colours as they are written, hence
            sRGB, and multiply textures by them.
    """
    if image is None:
        factor = (srgb_to_linear(diffuse) * 255).round().astype(np.uint8)
        return PBRMaterial(baseColorFactor=[*factor, 255])
    image = image.convert("RGBA")
    image.thumbnail((TEXTURE_SIDE, TEXTURE_SIDE))
    texels = np.asarray(image)
    if (texels[..., 3] < 128).mean() > _CUT_OUT_SHARE:
        return None
    return PBRMaterial(baseColorTexture=Image.fromarray((texels[..., :3] * diffuse).round().astype(np.uint8)))


def write_index(out: Path, rows: Sequence[tuple[str, ...]]) -> None:
    """Write the folder's index.csv anew, one row of _COLUMNS a model."""
    with (out / "index.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        writer.writerows(rows)
