"""From components to a model: one exact union, smooth normals, texture coordinates, materials."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from manifold3d import Manifold, OpType

from backend.training.assets import Model, Part
from backend.training.procedural.solids import Component, Mapping
from backend.training.procedural.textures import Material, random_material

_CREASE_DEGREES = 42.0
"""Edges sharper than this stay edges in the shading."""


def painted(components: list[Component], rng: np.random.Generator) -> Model:
    """The union of the components in the model frame (bounding sphere radius 0.5), one part a material.

    Inside of the union nothing is left over, hence surface points are points that one could touch.

    Raises:
        ValueError: the components enclose nothing.
    """
    solids = [component.solid.as_original() for component in components]
    owners = {solid.original_id(): component for solid, component in zip(solids, components, strict=True)}
    whole = Manifold.batch_boolean(solids, OpType.Add) if len(solids) > 1 else solids[0]
    if whole.is_empty():
        raise ValueError(f"{len(components)} components enclose nothing: {whole.status()}.")
    mesh = whole.calculate_normals(0, _CREASE_DEGREES).to_mesh()
    corners = np.asarray(mesh.vert_properties)[np.asarray(mesh.tri_verts)]
    extent = float(np.ptp(corners[..., :3].reshape(-1, 3), axis=0).max())
    kinds = {component.material: component.kind for component in reversed(components)}
    starts = np.asarray(mesh.run_index) // 3
    runs = [
        (owners[int(original)], corners[starts[i] : starts[i + 1]])
        for i, original in enumerate(mesh.run_original_id)
    ]
    parts = []
    for number in sorted(kinds):
        material, repeats = random_material(rng, kinds[number]), int(rng.integers(1, 4))
        mine = [(owner.mapping, faces) for owner, faces in runs if owner.material == number and len(faces)]
        if mine:
            uvs = [_uvs(faces, mapping, extent, repeats) for mapping, faces in mine]
            parts.append(_part(np.concatenate([faces for _, faces in mine]), np.concatenate(uvs), material))
    return Model(tuple(parts), closed=True).in_sphere()


def box_uvs(positions: Float[np.ndarray, "face 3 3"], side: float) -> Float[np.ndarray, "face 3 2"]:
    """Texture coordinates by projection along the axis that a face looks along most.

    A texture is `side` wide.
    """
    across = np.cross(positions[:, 1] - positions[:, 0], positions[:, 2] - positions[:, 0])
    axis = np.abs(across).argmax(axis=1)
    others = np.array([[2, 1], [0, 2], [0, 1]])[axis]
    return np.take_along_axis(positions, others[:, None, :].repeat(3, axis=1), axis=2) / side


def _uvs(
    corners: Float[np.ndarray, "face 3 6"], mapping: Mapping, extent: float, repeats: int
) -> Float[np.ndarray, "face 3 2"]:
    """Texture coordinates of one component; `repeats` textures along the object's longest side."""
    positions = corners[..., :3]
    x, y, z = np.moveaxis(positions, -1, 0)
    if mapping is Mapping.BOX:
        return box_uvs(positions, extent / repeats)
    height = y - y.min()
    if mapping is Mapping.UPRIGHT:
        return np.stack([x / extent * repeats, height / max(float(height.max()), 1e-9) * 0.999], axis=-1)
    centre = [(c.min() + c.max()) / 2 for c in (x, z)]
    turn = np.arctan2(x - centre[0], z - centre[1]) / (2 * np.pi)
    # A face across the seam goes on counting beyond one round instead of running all the way back.
    turn = np.where(turn.max(axis=1, keepdims=True) - turn > 0.5, turn + 1, turn)
    return np.stack([turn * repeats, height / max(float(height.max()), 1e-9) * 0.999], axis=-1)


def _part(
    corners: Float[np.ndarray, "face 3 6"], uvs: Float[np.ndarray, "face 3 2"], material: Material
) -> Part:
    count = len(corners)
    normals = corners[..., 3:]
    return Part(
        np.ascontiguousarray(corners[..., :3]),
        (normals / np.linalg.norm(normals, axis=-1, keepdims=True).clip(1e-9)).astype(np.float32),
        uvs.astype(np.float32),
        np.broadcast_to(material.colour.astype(np.float32), (count, 3, 3)).copy(),
        np.full(count, material.roughness, dtype=np.float32),
        np.full(count, material.metallic, dtype=np.float32),
        material.texture,
        material.surface_texture,
    )
