"""The similarity transform that lays one point set best upon another: 24 starts, then ICP with scale."""

from __future__ import annotations

import itertools

import numpy as np
from jaxtyping import Float
from scipy.spatial import cKDTree

COARSE_POINTS, FINE_POINTS = 600, 3_000
COARSE_ROUNDS, FINE_ROUNDS = 5, 20
FINALISTS = 2


def align(
    moving: Float[np.ndarray, "a 3"], fixed: Float[np.ndarray, "b 3"]
) -> tuple[Float[np.ndarray, "3 3"], Float[np.ndarray, " 3"]]:
    """Scaled rotation and offset that bring `moving` onto `fixed`.

    Every rotation of the cube is refined for a few rounds on few points, the best few of them for longer on
    more; the one with the least symmetric mean distance wins.
    """
    rng = np.random.default_rng(0)
    few = _subset(moving, COARSE_POINTS, rng), _subset(fixed, COARSE_POINTS, rng)
    many = _subset(moving, FINE_POINTS, rng), _subset(fixed, FINE_POINTS, rng)
    starts = [_icp(*few, rotation, np.zeros(3), COARSE_ROUNDS) for rotation in cube_rotations()]
    starts.sort(key=lambda found: found[0])
    finished = [_icp(*many, linear, offset, FINE_ROUNDS) for _, linear, offset in starts[:FINALISTS]]
    _, linear, offset = min(finished, key=lambda found: found[0])
    return linear, offset


def cube_rotations() -> list[Float[np.ndarray, "3 3"]]:
    """The 24 rotations that map the cube onto itself; the identity is the first."""
    rotations = []
    for axes in itertools.permutations(range(3)):
        for signs in itertools.product((1.0, -1.0), repeat=3):
            matrix = np.zeros((3, 3))
            matrix[range(3), axes] = signs
            if np.linalg.det(matrix) > 0:
                rotations.append(matrix)
    return rotations


def similarity_between(
    source: Float[np.ndarray, "point 3"], target: Float[np.ndarray, "point 3"]
) -> tuple[Float[np.ndarray, "3 3"], Float[np.ndarray, " 3"]]:
    """Least-squares scaled rotation and offset between paired points (Umeyama 1991)."""
    source_mean, target_mean = source.mean(0), target.mean(0)
    source_centred, target_centred = source - source_mean, target - target_mean
    u, singular, vt = np.linalg.svd(target_centred.T @ source_centred)
    handed = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    scale = (singular * handed).sum() / max((source_centred**2).sum(), 1e-12)
    linear = scale * (u * handed) @ vt
    return linear, target_mean - linear @ source_mean


def _icp(
    moving: Float[np.ndarray, "a 3"],
    fixed: Float[np.ndarray, "b 3"],
    linear: Float[np.ndarray, "3 3"],
    offset: Float[np.ndarray, " 3"],
    rounds: int,
) -> tuple[float, Float[np.ndarray, "3 3"], Float[np.ndarray, " 3"]]:
    """Mean distance, scaled rotation and offset of the best round.

    Pairs are taken in both directions: with one direction alone, shrinking to a point would fit best.
    """
    tree = cKDTree(fixed)
    best = (np.inf, linear, offset)
    for _ in range(rounds):
        moved = moving @ linear.T + offset
        forward, to_fixed = tree.query(moved)
        backward, to_moving = cKDTree(moved).query(fixed)
        error = float((forward.mean() + backward.mean()) / 2)
        if error < best[0]:
            stalled = error > 0.999 * best[0]
            best = (error, linear, offset)
            if stalled:
                break
        linear, offset = similarity_between(
            np.concatenate([moving, moving[to_moving]]), np.concatenate([fixed[to_fixed], fixed])
        )
    return best


def _subset(points: Float[np.ndarray, "n 3"], count: int, rng: np.random.Generator) -> np.ndarray:
    picked = rng.choice(len(points), min(count, len(points)), replace=False)
    return points[picked].astype(np.float64)
