"""Turned things: vessels with walls, bottles, goblets, lamps, balusters; some fluted, some with a handle."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from manifold3d import Manifold

from backend.training.procedural.solids import Component, Mapping, ball, revolved, spline, tube
from backend.training.procedural.substances import Kind

Rng = np.random.Generator
Outline = Float[np.ndarray, "point 2"]
"""(radius, height) from the foot to the top, the height from 0 to 1."""

_VESSELS: dict[str, tuple[tuple[float, ...], float]] = {
    "bowl": ((0.35, 0.7, 0.92, 1.0), 0.5),
    "cup": ((0.75, 0.85, 0.95, 1.0), 0.9),
    "jug": ((0.6, 0.9, 1.0, 0.75, 0.55, 0.65), 1.3),
    "vase": ((0.5, 0.8, 1.0, 0.7, 0.4, 0.45, 0.6), 1.7),
    "pot": ((0.8, 1.0, 1.05, 0.95, 0.9), 0.75),
    "plate": ((0.6, 0.68, 0.85, 1.0), 0.16),
    "bucket": ((0.7, 0.8, 0.9, 1.0), 1.0),
    "lampshade": ((1.0, 0.85, 0.7, 0.55), 0.8),
}
"""Radii at even steps of height, and the height over the greatest radius."""

_SOLIDS: dict[str, tuple[tuple[float, ...], float]] = {
    "bottle": ((0.95, 1.0, 1.0, 0.95, 0.4, 0.32, 0.34), 3.2),
    "baluster": ((0.9, 0.5, 0.8, 1.0, 0.5, 0.35, 0.6, 0.4), 3.0),
    "top": ((0.05, 0.5, 1.0, 0.7, 0.2, 0.15), 1.5),
    "bell": ((1.0, 0.75, 0.6, 0.5, 0.25), 1.1),
    "barrel": ((0.8, 0.95, 1.0, 0.95, 0.8), 1.4),
    "pawn": ((1.0, 0.9, 0.45, 0.35, 0.5, 0.3), 1.5),
    "mushroom": ((0.3, 0.28, 0.3, 1.0, 0.8, 0.3), 1.2),
    "gourd": ((0.5, 1.0, 0.8, 0.45, 0.6, 0.4), 1.6),
}


def lathe(rng: Rng) -> list[Component]:
    """A vessel or a turned solid after one of the archetypes, its radii and proportions varied."""
    hollow = rng.random() < 0.6
    kinds = _VESSELS if hollow else _SOLIDS
    name = list(kinds)[rng.integers(len(kinds))]
    radii, height = kinds[name]
    varied = np.array(radii) * np.exp(rng.normal(0, 0.15, len(radii)))
    height *= float(np.exp(rng.normal(0, 0.25)))
    outline = _smooth(varied, height, angular=rng.random() < 0.2)
    sections = int(rng.choice([6, 8, 12, 32], p=[0.1, 0.1, 0.1, 0.7]))
    fluted = _fluting(rng) if sections == 32 and rng.random() < 0.2 else None
    kind = (Kind.STONE, Kind.METAL, Kind.PLASTIC, Kind.WOOD, None)[rng.integers(5)]
    if not hollow:
        solid = _turned(outline, sections, fluted)
        components = [Component(solid, 0, kind, Mapping.WRAPPED)]
        if name in ("pawn", "bottle", "baluster", "bell"):
            radius = float(outline[-1, 0]) * float(rng.uniform(0.9, 1.6))
            components.append(Component(ball(radius).translate((0, height + radius * 0.5, 0)), 1))
        return components
    components = _vessel(outline, sections, fluted, kind, rng)
    if name in ("cup", "jug", "pot", "bucket", "vase") and rng.random() < 0.6:
        components += _handles(outline, name, rng)
    return components


def _smooth(radii: np.ndarray, height: float, angular: bool) -> Outline:
    controls = np.stack([radii, np.linspace(0, height, len(radii))], axis=1)
    outline = controls if angular else spline(controls, 18)
    outline[:, 0] = outline[:, 0].clip(0.05)
    return outline


def _turned(outline: Outline, sections: int, fluted: tuple[int, float] | None) -> Manifold:
    axis = np.array([[0.0, outline[-1, 1]], [0.0, outline[0, 1]]])
    return _with_flutes(revolved(np.concatenate([outline, axis]), sections), fluted)


def _vessel(
    outline: Outline, sections: int, fluted: tuple[int, float] | None, kind: Kind | None, rng: Rng
) -> list[Component]:
    """Outside, and inside at a wall's distance; in every fourth something is filled in."""
    wall = float(rng.uniform(0.06, 0.14))
    height = outline[-1, 1]
    # A plate is thinner than its rim is wide: its floor must stay below what may be filled in.
    floor = min(wall * float(rng.uniform(0.6, 1.4)), 0.4 * height)
    inner = outline[outline[:, 1] > floor * 1.2] - np.array([wall, 0.0])
    inner[:, 0] = inner[:, 0].clip(0.02)
    start = np.array(
        [[0.0, floor], [max(float(np.interp(floor, outline[:, 1], outline[:, 0])) - wall, 0.02), floor]]
    )
    inside = np.concatenate([start, inner])
    bowl = np.concatenate([[[0.0, 0.0]], outline, inside[::-1]])
    components = [Component(_with_flutes(revolved(bowl, sections), fluted), 0, kind, Mapping.WRAPPED)]
    if rng.random() < 0.25:
        level = floor + float(rng.uniform(0.5, 0.92)) * (height - floor)
        below = inside[inside[:, 1] < level]
        edge = [float(np.interp(level, inside[:, 1], inside[:, 0])), level]
        # A little wider than the hollow, so that no gap is left at the wall.
        filling = np.concatenate([below, [edge], [[0.0, level]]]) + np.array([0.01, 0.0])
        filling[[0, -1], 0] = 0.0
        components.append(Component(revolved(filling, sections), 1))
    return components


def _handles(outline: Outline, name: str, rng: Rng) -> list[Component]:
    """One or two ears at the side, or a bail over the top."""
    height, radius = float(outline[-1, 1]), float(outline[:, 0].max())
    thickness = float(rng.uniform(0.05, 0.1)) * radius + 0.02
    if name == "bucket":
        angle = np.linspace(0, np.pi, 14)
        reach = float(outline[-1, 0])
        bow = np.stack([reach * np.cos(angle), height * 0.92 + reach * np.sin(angle), 0 * angle], axis=1)
        return [Component(tube(bow, thickness * 0.6), 2, Kind.METAL)]
    low, high = float(rng.uniform(0.15, 0.35)) * height, float(rng.uniform(0.65, 0.9)) * height
    feet = [float(np.interp(h, outline[:, 1], outline[:, 0])) - 0.02 for h in (low, high)]
    out = radius * float(rng.uniform(1.3, 1.6))
    controls = np.array(
        [
            [feet[0], low, 0],
            [out * 0.95, low * 0.9 + high * 0.1, 0],
            [out, (low + high) / 2, 0],
            [out * 0.95, high, 0],
            [feet[1], high, 0],
        ]
    )
    ear = Component(tube(spline(controls, 16), thickness), 0 if rng.random() < 0.7 else 2)
    return [ear, ear.mirrored()] if name in ("pot", "vase") else [ear]


def _fluting(rng: Rng) -> tuple[int, float]:
    """Number of ribs and their depth as a share of the radius."""
    return int(rng.integers(4, 9)), float(rng.uniform(0.03, 0.12))


def _with_flutes(solid: Manifold, fluted: tuple[int, float] | None) -> Manifold:
    if fluted is None:
        return solid
    ribs, depth = fluted

    def pressed(points: np.ndarray) -> np.ndarray:
        moved = np.array(points)
        moved[:, [0, 2]] *= 1 + depth * np.cos(ribs * np.arctan2(points[:, 0], points[:, 2]))[:, None]
        return moved

    return solid.warp_batch(pressed)
