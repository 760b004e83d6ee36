from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from backend.training.assets import Model
from backend.training.labels import signed_distance
from backend.training.procedural import random_model

SEEDS = range(24)


@cache
def drawn(seed: int) -> Model:
    return random_model(np.random.default_rng(seed))


@pytest.mark.parametrize("seed", SEEDS)
def test_every_shape_is_sound(seed: int) -> None:
    model = drawn(seed)
    corners = model.triangles.reshape(-1, 3)
    assert np.isfinite(corners).all()
    assert np.linalg.norm(corners, axis=1).max() == pytest.approx(0.5, abs=1e-5)
    for part in model.parts:
        assert np.isfinite(part.uvs).all()
        assert np.linalg.norm(part.normals, axis=-1) == pytest.approx(1, abs=1e-3)
        assert part.colour.min() >= 0
        assert part.colour.max() <= 1
        # Shading normals stay on the winding's side, or lights would come from within.
        cross = np.cross(
            part.positions[:, 1] - part.positions[:, 0], part.positions[:, 2] - part.positions[:, 0]
        )
        assert ((cross[:, None] * part.normals).sum(-1) > 0).mean() > 0.95


@pytest.mark.parametrize("seed", SEEDS)
def test_every_shape_has_an_inside(seed: int) -> None:
    points = np.random.default_rng(0).uniform(-0.5, 0.5, (400, 3)).astype(np.float32)
    share = (signed_distance(drawn(seed), points) < 0).mean()
    assert 0.001 < share < 0.6


def test_shapes_repeat_by_seed_and_differ_between_seeds() -> None:
    again = random_model(np.random.default_rng(5))
    assert np.array_equal(again.triangles, drawn(5).triangles)
    assert len({drawn(seed).triangles.tobytes() for seed in SEEDS}) == len(SEEDS)


def test_shapes_vary_in_texture_and_number_of_parts() -> None:
    textured = [part.texture is not None for seed in SEEDS for part in drawn(seed).parts]
    assert 0.2 < np.mean(textured) < 0.8
    assert len({len(drawn(seed).parts) for seed in SEEDS}) > 3
