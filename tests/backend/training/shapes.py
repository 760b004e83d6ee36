"""Small painted models whose views, distances and materials are known."""

from __future__ import annotations

import numpy as np
import trimesh

from backend.training.assets import Model, Part

RED, GREEN, BLUE, GREY = (0.8, 0.05, 0.05), (0.05, 0.7, 0.05), (0.05, 0.05, 0.8), (0.4, 0.4, 0.4)
"""Linear."""


def part(
    mesh: trimesh.Trimesh,
    colour: tuple[float, float, float] = GREY,
    *,
    smooth: bool = False,
    uvs: np.ndarray | None = None,
    texture: np.ndarray | None = None,
    roughness: float = 0.5,
    metallic: float = 0.0,
) -> Part:
    """The mesh in one colour; `uvs` are per vertex."""
    count = len(mesh.faces)
    flat = np.repeat(mesh.face_normals[:, None], 3, axis=1)
    corner_uvs = np.zeros((count, 3, 2)) if uvs is None else uvs[mesh.faces]
    return Part(
        mesh.triangles.astype(np.float32),
        (mesh.vertex_normals[mesh.faces] if smooth else flat).astype(np.float32),
        corner_uvs.astype(np.float32),
        np.broadcast_to(np.float32(colour), (count, 3, 3)).copy(),
        np.full(count, roughness, np.float32),
        np.full(count, metallic, np.float32),
        texture,
    )


def ball(radius: float = 0.4, colour: tuple[float, float, float] = GREY) -> Model:
    return Model((part(trimesh.creation.icosphere(4, radius), colour, smooth=True),))


def block(
    size: tuple[float, float, float],
    centre: tuple[float, float, float] = (0, 0, 0),
    colour: tuple[float, float, float] = GREY,
) -> Part:
    mesh = trimesh.creation.box(size)
    mesh.apply_translation(centre)
    return part(mesh, colour)


def figure() -> Model:
    """Nothing about it is symmetric: a grey body, a red arm on +X, a blue nose on +Z, a green hat."""
    return Model(
        (
            block((0.3, 0.8, 0.2)),
            block((0.4, 0.12, 0.12), (0.3, 0.2, 0.0), RED),
            block((0.12, 0.14, 0.35), (-0.05, 0.0, 0.25), BLUE),
            block((0.22, 0.16, 0.16), (-0.1, 0.45, -0.05), GREEN),
        )
    ).in_sphere()


def sheet(size: float = 0.6) -> Model:
    """A square without thickness in the plane z = 0, facing +Z."""
    half = size / 2
    corners = np.array([[-half, -half, 0], [half, -half, 0], [half, half, 0], [-half, half, 0]])
    return Model((part(trimesh.Trimesh(corners, [[0, 1, 2], [0, 2, 3]], process=False)),))


def inside_out(model: Model) -> Model:
    """Every triangle's corners in the opposite order."""
    return Model(
        tuple(
            Part(
                p.positions[:, ::-1],
                -p.normals[:, ::-1],
                p.uvs[:, ::-1],
                p.colour[:, ::-1],
                p.roughness,
                p.metallic,
                p.texture,
            )
            for p in model.parts
        )
    )
