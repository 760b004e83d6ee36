"""Rotations and least-squares similarities."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.evaluation.alignment import cube_rotations, similarity_between


def test_the_cube_has_24_rotations() -> None:
    rotations = np.array(cube_rotations())
    assert len(np.unique(rotations.round().astype(int), axis=0)) == 24
    np.testing.assert_allclose(np.linalg.det(rotations), 1)
    np.testing.assert_array_equal(rotations[0], np.eye(3))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.2, 5))
def test_a_similarity_is_recovered_from_pairs(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    source = rng.normal(size=(50, 3))
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    rotation *= np.sign(np.linalg.det(rotation))
    offset = rng.normal(size=3)
    linear, found = similarity_between(source, scale * source @ rotation.T + offset)
    np.testing.assert_allclose(linear, scale * rotation, atol=1e-9)
    np.testing.assert_allclose(found, offset, atol=1e-9)


def test_mirrored_pairs_give_a_rotation_all_the_same() -> None:
    source = np.random.default_rng(0).normal(size=(50, 3))
    linear, _ = similarity_between(source, source * [1, 1, -1])
    assert np.linalg.det(linear) > 0
