"""Endless procedural shapes with known materials, in the spirit of LRM-Zero (Xie et al. 2024).

Four families: assemblies of primitives, lathed profiles, extruded outlines and height fields; some are cut by
boolean differences. Half of the assemblies are mirrored, as most made things are.
"""

from __future__ import annotations

from collections.abc import Callable

import manifold3d
import numpy as np
import trimesh

from backend.training.assets import Model, Part

Rng = np.random.Generator


def random_model(rng: Rng) -> Model:
    """One shape, in the model frame (bounding sphere radius 0.5)."""
    families: list[Callable[[Rng], list[trimesh.Trimesh]]] = [_assembly, _lathe, _extrusion, _height_field]
    meshes = families[rng.choice(4, p=[0.5, 0.25, 0.15, 0.1])](rng)
    if rng.random() < 0.25:
        meshes = [*meshes[:-1], _cut(meshes[-1], rng)]
    palette = rng.uniform(0.02, 0.95, (3, 3)) ** 1.5
    parts = [_painted(mesh, palette[rng.integers(3)], rng) for mesh in meshes if len(mesh.faces)]
    return Model(tuple(parts)).in_sphere()


def _primitive(rng: Rng) -> trimesh.Trimesh:
    kind = rng.integers(6)
    if kind == 0:
        mesh = trimesh.creation.box(extents=rng.uniform(0.15, 1, 3))
    elif kind == 1:
        mesh = trimesh.creation.cylinder(rng.uniform(0.05, 0.4), rng.uniform(0.1, 1), sections=24)
    elif kind == 2:
        mesh = trimesh.creation.icosphere(2, rng.uniform(0.15, 0.5))
        mesh.apply_scale(rng.uniform(0.4, 1, 3))
    elif kind == 3:
        mesh = trimesh.creation.cone(rng.uniform(0.1, 0.4), rng.uniform(0.2, 0.9), sections=24)
    elif kind == 4:
        major = rng.uniform(0.2, 0.45)
        mesh = trimesh.creation.torus(major, rng.uniform(0.15, 0.45) * major, 24, 12)
    else:
        mesh = trimesh.creation.capsule(rng.uniform(0.1, 0.6), rng.uniform(0.05, 0.25), count=[12, 12])
    # Most made things stand along the axes.
    if rng.random() < 0.7:
        turn = trimesh.transformations.rotation_matrix(np.pi / 2, np.eye(3)[rng.integers(3)])
    else:
        turn = trimesh.transformations.random_rotation_matrix(rng.random(3))
    mesh.apply_transform(turn)
    return mesh


def _assembly(rng: Rng) -> list[trimesh.Trimesh]:
    meshes = []
    mirrored = rng.random() < 0.5
    for index in range(rng.integers(1, 7)):
        mesh = _primitive(rng)
        if index:
            mesh.apply_scale(rng.uniform(0.3, 0.9))
            mesh.apply_translation(rng.uniform(-0.5, 0.5, 3))
        meshes.append(mesh)
        if mirrored and index:
            twin = mesh.copy()
            twin.apply_transform(np.diag([-1.0, 1.0, 1.0, 1.0]))
            meshes.append(twin)
    return meshes


def _lathe(rng: Rng) -> list[trimesh.Trimesh]:
    count = int(rng.integers(4, 9))
    height = np.linspace(0, rng.uniform(0.5, 2), count)
    radius = np.abs(np.cumsum(rng.normal(0, 0.12, count)) + rng.uniform(0.2, 0.6)).clip(0.04)
    outer = np.stack([radius, height], axis=1)
    if rng.random() < 0.5:  # a vessel: back down inside
        inner = np.stack([(radius * 0.85), height], axis=1)[::-1][:-1]
        profile = np.concatenate([[[0, 0]], outer, inner, [[0, height[1] * 0.5]]])
    else:
        profile = np.concatenate([[[0, 0]], outer, [[0, height[-1]]]])
    mesh = trimesh.creation.revolve(profile, sections=int(rng.choice([6, 8, 32])))
    mesh.apply_transform(trimesh.transformations.rotation_matrix(-np.pi / 2, [1, 0, 0]))
    mesh.fix_normals()
    return [mesh] + ([_handle(mesh, rng)] if rng.random() < 0.3 else [])


def _handle(body: trimesh.Trimesh, rng: Rng) -> trimesh.Trimesh:
    size = body.extents
    mesh = trimesh.creation.torus(0.25 * size[1], 0.05 * size[1], 24, 8)
    mesh.apply_translation([size[0] / 2, body.centroid[1] + rng.uniform(-0.1, 0.1) * size[1], 0])
    return mesh


def _extrusion(rng: Rng) -> list[trimesh.Trimesh]:
    count = int(rng.integers(5, 14))
    angle = np.sort(rng.uniform(0, 2 * np.pi, count))
    radius = rng.uniform(0.2, 0.6, count)
    outline = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    solid = manifold3d.CrossSection([outline]).extrude(rng.uniform(0.05, 0.6), 8, rng.uniform(-40, 40))
    return [_from_manifold(solid)]


def _height_field(rng: Rng) -> list[trimesh.Trimesh]:
    cells = 20
    mesh = trimesh.creation.box(extents=(1, 0.2, 1))
    mesh = mesh.subdivide_to_size(1.5 / cells, max_iter=12)
    vertices = mesh.vertices.copy()
    bump = np.zeros(len(vertices))
    for _ in range(4):
        wave = rng.normal(0, 6, 2)
        bump += np.sin(vertices[:, [0, 2]] @ wave + rng.uniform(0, 6)) * rng.uniform(0.02, 0.12)
    vertices[:, 1] += np.where(vertices[:, 1] > 0.05, bump + 0.2, 0)
    return [trimesh.Trimesh(vertices, mesh.faces, process=False)]


def _cut(mesh: trimesh.Trimesh, rng: Rng) -> trimesh.Trimesh:
    """The mesh less a primitive; the mesh itself when it is no solid or nothing would be left."""
    tool = _primitive(rng)
    tool.apply_scale(0.7)
    tool.apply_translation(mesh.centroid + rng.uniform(-0.4, 0.4, 3))
    solid, other = _to_manifold(mesh), _to_manifold(tool)
    if solid.is_empty() or other.is_empty():
        return mesh
    rest = solid - other
    return mesh if rest.is_empty() or rest.volume() < 0.2 * solid.volume() else _from_manifold(rest)


def _to_manifold(mesh: trimesh.Trimesh) -> manifold3d.Manifold:
    welded = trimesh.Trimesh(mesh.vertices, mesh.faces, process=True)
    return manifold3d.Manifold(
        manifold3d.Mesh(welded.vertices.astype(np.float32), welded.faces.astype(np.uint32))
    )


def _from_manifold(solid: manifold3d.Manifold) -> trimesh.Trimesh:
    mesh = solid.to_mesh()
    return trimesh.Trimesh(mesh.vert_properties[:, :3], mesh.tri_verts, process=False)


def _painted(mesh: trimesh.Trimesh, colour: np.ndarray, rng: Rng) -> Part:
    positions = mesh.triangles.astype(np.float32)
    face_normals = mesh.face_normals[:, None, :].repeat(3, axis=1)
    smooth = mesh.vertex_normals[mesh.faces]
    # Smooth only across gentle edges, as a modeller would.
    keep = (smooth * face_normals).sum(-1, keepdims=True) > 0.85
    normals = np.where(keep, smooth, face_normals).astype(np.float32)
    count = len(positions)
    # Box projection: each face takes the two axes that it faces least.
    axis = np.abs(face_normals[:, 0]).argmax(axis=1)
    others = np.array([[2, 1], [0, 2], [0, 1]])[axis]
    uvs = np.take_along_axis(positions, others[:, None, :].repeat(3, axis=1), axis=2)
    texture = _texture(rng) if rng.random() < 0.5 else None
    factor = np.broadcast_to(colour if texture is None else np.ones(3), (count, 3, 3))
    return Part(
        positions,
        normals,
        (uvs * rng.uniform(0.5, 2)).astype(np.float32),
        factor.astype(np.float32),
        np.full(count, 0.5, dtype=np.float32),
        np.zeros(count, dtype=np.float32),
        texture,
    )


def _texture(rng: Rng) -> np.ndarray:
    size = 64
    y, x = np.mgrid[0:size, 0:size] / size
    kind = rng.integers(4)
    if kind == 0:
        blend = np.sin(2 * np.pi * (x * rng.integers(1, 6) + y * rng.integers(0, 4))) > 0
    elif kind == 1:
        n = rng.integers(2, 7)
        blend = (np.floor(x * n) + np.floor(y * n)) % 2
    elif kind == 2:
        blend = sum(
            np.sin(2 * np.pi * (x * rng.integers(-5, 6) + y * rng.integers(-5, 6)) + rng.uniform(0, 6))
            for _ in range(5)
        )
        blend = (blend - blend.min()) / max(float(np.ptp(blend)), 1e-6)
    else:
        blend = y
    a, b = rng.uniform(0, 255, (2, 3))
    return (a + (b - a) * np.asarray(blend, dtype=np.float64)[..., None]).astype(np.uint8)
