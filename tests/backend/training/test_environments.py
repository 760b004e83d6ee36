from __future__ import annotations

import numpy as np
import pytest

from backend.training.environments import (
    HEIGHT,
    ROUGHNESSES,
    WIDTH,
    direction_of,
    directions,
    prefilter,
    random_surroundings,
)
from backend.training.lighting import random_environment_lighting


def test_even_surroundings_stay_even() -> None:
    layers = prefilter(np.full((HEIGHT, WIDTH, 3), 0.7)).layers
    assert layers.shape == (len(ROUGHNESSES) + 1, HEIGHT, WIDTH, 3)
    assert layers == pytest.approx(0.7, abs=1e-6)


def test_rows_and_columns_are_directions() -> None:
    look = directions()
    assert np.linalg.norm(look, axis=-1) == pytest.approx(1)
    assert look[0, :, 1].max() < -0.99, "row 0 looks down"
    quarter = look[HEIGHT // 2, WIDTH // 4]
    assert quarter == pytest.approx([1, 0, 0], abs=0.1)
    assert direction_of(np.pi / 2, 0.0) == pytest.approx(np.array([1, 0, 0]), abs=1e-12)


@pytest.mark.parametrize(("row", "column"), [(16, 0), (25, 40), (30, 63)])
def test_a_lamp_is_blurred_around_its_own_place(row: int, column: int) -> None:
    panorama = np.zeros((HEIGHT, WIDTH, 3))
    panorama[row, column] = 100
    layers = prefilter(panorama).layers[..., 0]
    towards = directions()[row, column]
    widths = []
    for layer in layers:
        brightest = directions()[np.unravel_index(layer.argmax(), layer.shape)]
        assert brightest @ towards > 0.98
        widths.append((layer > layer.max() / 2).sum())
    assert widths[:-1] == sorted(widths[:-1]), "the rougher, the wider"
    # A matt surface receives the cosine of what it faces (Lambert).
    cosine = (directions() @ towards).clip(0)
    assert layers[-1] / layers[-1].max() == pytest.approx(cosine / cosine.max(), abs=0.02)


def test_surroundings_have_the_brightness_asked_for_and_repeat() -> None:
    rows = np.cos((np.arange(HEIGHT) + 0.5) / HEIGHT * np.pi - np.pi / 2)
    for seed in range(20):
        drawn = random_surroundings(np.random.default_rng(seed), 0.8)
        assert np.isfinite(drawn.environment.layers).all()
        assert np.linalg.norm(drawn.key) == pytest.approx(1)
        mean = (drawn.environment.diffuse.mean(axis=(1, 2)) * rows).sum() / rows.sum()
        assert mean == pytest.approx(0.8, rel=0.05), "blurring keeps the mean"
    again = random_surroundings(np.random.default_rng(19), 0.8)
    assert np.array_equal(again.environment.layers, drawn.environment.layers)


def test_environment_light_is_bounded() -> None:
    rng = np.random.default_rng(0)
    drawn = [random_environment_lighting(rng) for _ in range(30)]
    assert {light.shadows for light in drawn} == {True, False}
    for light in drawn:
        assert light.environment is not None
        assert 0 <= light.contact < 1
        assert 0 <= min(light.colours[0]) <= max(light.colours[0]) < 1.6
