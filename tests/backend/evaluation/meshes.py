"""Tiny meshes for the evaluation's tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import trimesh


def ball(radius: float = 0.5) -> np.ndarray:
    return trimesh.creation.icosphere(subdivisions=3, radius=radius).triangles.astype(np.float32)


def box(x: float, y: float, z: float, centre: tuple[float, float, float] = (0, 0, 0)) -> np.ndarray:
    mesh = trimesh.creation.box((x, y, z))
    return (mesh.triangles + np.asarray(centre)).astype(np.float32)


def chair() -> np.ndarray:
    """Without any symmetry that maps it onto itself: a seat, a back on -Z, one arm on +X."""
    return np.concatenate(
        [box(0.6, 0.1, 0.6), box(0.6, 0.7, 0.1, (0, 0.4, -0.3)), box(0.1, 0.3, 0.5, (0.3, 0.2, 0.05))]
    )


def write_glb(path: Path, triangles: np.ndarray, colour: tuple[int, int, int] = (180, 60, 40)) -> Path:
    mesh = trimesh.Trimesh(
        triangles.reshape(-1, 3), np.arange(len(triangles) * 3).reshape(-1, 3), process=False
    )
    material = trimesh.visual.material.PBRMaterial(baseColorFactor=[*colour, 255])
    mesh.visual = trimesh.visual.TextureVisuals(material=material)
    path.write_bytes(mesh.export(file_type="glb"))
    return path
