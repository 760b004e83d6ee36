from __future__ import annotations

import time
from functools import cache

import numpy as np
import pytest
import trimesh

from backend.training.assets import Model
from backend.training.labels import signed_distance
from backend.training.procedural import FAMILIES, random_model
from backend.training.procedural.lathes import lathe

SEEDS = range(6)
families = pytest.mark.parametrize("family", FAMILIES)


@cache
def drawn(family: str, seed: int) -> Model:
    return random_model(np.random.default_rng(seed), family)


def areas_and_crosses(model: Model) -> tuple[np.ndarray, np.ndarray]:
    corners = model.triangles
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return np.linalg.norm(cross, axis=1) / 2, cross


@families
def test_shapes_are_sound(family: str) -> None:
    for seed in SEEDS:
        model = drawn(family, seed)
        corners = model.triangles.reshape(-1, 3)
        assert np.isfinite(corners).all()
        assert np.linalg.norm(corners, axis=1).max() == pytest.approx(0.5, abs=1e-5)
        for part in model.parts:
            assert np.isfinite(part.uvs).all()
            assert np.linalg.norm(part.normals, axis=-1) == pytest.approx(1, abs=1e-3)
            for value in (part.colour, part.roughness, part.metallic):
                assert 0 <= value.min() <= value.max() <= 1
        # Shading normals stay on the winding's side, or lights would come from within.
        area, cross = areas_and_crosses(model)
        normals = np.concatenate([part.normals for part in model.parts])
        outward = (cross[:, None] * normals).sum(-1).min(axis=1) > 0
        assert area[outward].sum() > 0.98 * area.sum()


@families
def test_shapes_are_closed(family: str) -> None:
    for seed in SEEDS:
        corners = drawn(family, seed).triangles.reshape(-1, 3).astype(np.float64)
        mesh = trimesh.Trimesh(corners, np.arange(len(corners)).reshape(-1, 3), process=False)
        _, cross = areas_and_crosses(drawn(family, seed))
        # The area vectors of a closed surface cancel, whatever its triangulation.
        assert np.abs(cross.sum(0)).max() < 1e-4
        assert mesh.volume > 1e-4


@families
def test_labels_agree_with_the_volume(family: str) -> None:
    points = np.random.default_rng(0).uniform(-0.5, 0.5, (3000, 3)).astype(np.float32)
    for seed in SEEDS[:3]:
        model = drawn(family, seed)
        corners = model.triangles.astype(np.float64)
        volume = np.einsum("fi,fi->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) / 6
        inside = (signed_distance(model, points, shell=0.0) < 0).mean()
        assert inside == pytest.approx(volume, abs=4 * np.sqrt(volume / 3000) + 1e-3)


@families
def test_shapes_repeat_by_seed_and_differ_between_seeds(family: str) -> None:
    again = random_model(np.random.default_rng(5), family)
    assert np.array_equal(again.triangles, drawn(family, 5).triangles)
    for one, two in zip(again.parts, drawn(family, 5).parts, strict=True):
        assert np.array_equal(one.uvs, two.uvs)
        assert np.array_equal(one.roughness, two.roughness)
        assert (one.texture is None) == (two.texture is None)
        if one.texture is not None and two.texture is not None:
            assert np.array_equal(one.texture, two.texture)
    assert len({drawn(family, seed).triangles.tobytes() for seed in SEEDS}) == len(SEEDS)


def test_families_come_in_their_shares() -> None:
    models = [random_model(np.random.default_rng(seed)) for seed in range(40)]
    textured = [part.texture is not None for model in models for part in model.parts]
    assert 0.2 < np.mean(textured) < 0.8
    metallic = np.concatenate([part.metallic for model in models for part in model.parts])
    assert 0.02 < metallic.mean() < 0.5
    assert len({len(model.parts) for model in models}) > 3


def test_a_shape_takes_few_milliseconds() -> None:
    start = time.process_time()
    for seed in range(30):
        random_model(np.random.default_rng(1000 + seed))
    # 20 ms is what was asked for; the slack is for slower and busier machines.
    assert (time.process_time() - start) / 30 < 0.08


def test_thin_vessels_can_be_filled_too() -> None:
    """Plates used to be filled below their own floor, and nothing came of the whole shape."""
    for seed in range(300):
        for component in lathe(np.random.default_rng([9, seed])):
            assert not component.solid.is_empty(), seed
