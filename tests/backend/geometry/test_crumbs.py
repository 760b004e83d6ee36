from __future__ import annotations

import numpy as np

from backend.geometry.crumbs import MOST_SAMPLES, without_crumbs

BLOCK = np.s_[10:20, 10:20, 10:20]


def grid_of(*boxes: tuple[slice, ...]) -> np.ndarray:
    """-1 in the boxes, 1 elsewhere."""
    grid = np.ones((40, 40, 40), np.float32)
    for box in boxes:
        grid[box] = -1
    return grid


def test_thorns_and_floating_scraps_go_and_the_solid_stays() -> None:
    thorn, scrap = np.s_[20:28, 15, 15:17], np.s_[30:32, 30:32, 30]
    cleaned = without_crumbs(grid_of(BLOCK, thorn, scrap))
    # Next to the block a thorn's root stays: a sample's width of it lies in the dilated opening.
    assert (cleaned[22:28] > 0).all()
    assert (cleaned[scrap] > 0).all()
    assert (cleaned[BLOCK] < 0).all()


def test_a_thin_leg_stays() -> None:
    leg = np.s_[20:38, 14:16, 14:16]
    grid = grid_of(BLOCK, leg)
    assert (grid[22:38] < 0).sum() > MOST_SAMPLES
    assert np.array_equal(without_crumbs(grid), grid)


def test_a_thin_handle_stays() -> None:
    """Ten samples that join two blocks, and ten that come back to the block that they leave."""
    second = np.s_[30:38, 10:20, 10:20]
    bridge = grid_of(BLOCK, second, np.s_[20:30, 15, 15])
    assert np.array_equal(without_crumbs(bridge), bridge)
    ear = grid_of(BLOCK, np.s_[20:24, 12, 15], np.s_[23, 12:18, 15], np.s_[20:24, 17, 15])
    assert np.array_equal(without_crumbs(ear), ear)


def test_distances_elsewhere_are_untouched_and_the_input_as_well() -> None:
    rng = np.random.default_rng(0)
    grid = grid_of(BLOCK, np.s_[20:26, 15, 15]) * rng.uniform(0.5, 2, (40, 40, 40)).astype(np.float32)
    before = grid.copy()
    cleaned = without_crumbs(grid)
    assert np.array_equal(grid, before)
    assert np.array_equal(np.abs(cleaned), np.abs(grid))
    assert 0 < (cleaned != grid).sum() < 6
