"""Height fields: landscapes, tiles, reliefs on slabs and discs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from backend.training.procedural.solids import Component, Mapping, box, cylinder
from backend.training.procedural.substances import Kind

Rng = np.random.Generator
_CELLS = 18
"""Along the longest side."""
Relief = Callable[[np.ndarray, np.ndarray], np.ndarray]


def height_field(rng: Rng) -> list[Component]:
    """A slab or disc with a relief on top; some lie under water, some hang upright as plaques."""
    thickness = float(rng.uniform(0.08, 0.3))
    sides = (1.0, thickness, float(rng.uniform(0.5, 1)))
    round_one = rng.random() < 0.35
    slab = cylinder(0.5, thickness, sections=32) if round_one else box(sides)
    relief = _relief(rng)
    amplitude = float(rng.uniform(0.1, 0.5))

    def raised(points: np.ndarray) -> np.ndarray:
        moved = np.array(points)
        top = moved[:, 1] > 0
        moved[top, 1] += amplitude * relief(moved[top, 0], moved[top, 2])
        return moved

    solid = slab.refine_to_length(1.0 / _CELLS).warp_batch(raised)
    components = [Component(solid, 0, mapping=Mapping.UPRIGHT if rng.random() < 0.4 else Mapping.BOX)]
    if rng.random() < 0.25:
        level = thickness / 2 + amplitude * float(rng.uniform(0.2, 0.5))
        height = level + thickness / 2
        water = cylinder(0.49, height, sections=32) if round_one else box((0.98, height, sides[2] * 0.98))
        components.append(Component(water.translate((0, level - height / 2, 0)), 1, Kind.GLASS))
    elif rng.random() < 0.3:
        components = [Component(solid.rotate((90.0, 0.0, 0.0)), 0)]
    return components


def _relief(rng: Rng) -> Relief:
    """A height in [0, 1] over the plane."""
    return (_hills, _waves, _ripple, _terraces, _bumps)[rng.integers(5)](rng)


def _hills(rng: Rng) -> Relief:
    centres, widths = rng.uniform(-0.4, 0.4, (5, 2)), rng.uniform(0.08, 0.3, 5)
    heights = rng.uniform(0.2, 1, 5)

    def height(x: np.ndarray, z: np.ndarray) -> np.ndarray:
        squared = (x[:, None] - centres[:, 0]) ** 2 + (z[:, None] - centres[:, 1]) ** 2
        return (heights * np.exp(-squared / (2 * widths**2))).max(axis=1)

    return height


def _waves(rng: Rng) -> Relief:
    """Four octaves of sines: rolling land."""
    directions = rng.normal(0, 1, (4, 2)) * np.array([3, 6, 11, 18])[:, None]
    phases, shares = rng.uniform(0, 2 * np.pi, 4), np.array([0.5, 0.27, 0.15, 0.08])

    def height(x: np.ndarray, z: np.ndarray) -> np.ndarray:
        swing = np.sin(np.stack([x, z], axis=1) @ directions.T + phases)
        return (0.5 + 0.5 * swing) @ shares

    return height


def _ripple(rng: Rng) -> Relief:
    frequency, phase, fall = rng.uniform(6, 25), rng.uniform(0, 6), rng.uniform(0, 4)

    def height(x: np.ndarray, z: np.ndarray) -> np.ndarray:
        radius = np.hypot(x, z)
        return (0.5 + 0.5 * np.cos(frequency * radius + phase)) * np.exp(-fall * radius)

    return height


def _terraces(rng: Rng) -> Relief:
    land, steps = _waves(rng), rng.integers(2, 6)
    return lambda x, z: np.round(land(x, z) * steps) / steps


def _bumps(rng: Rng) -> Relief:
    """A regular pattern: studs or ridges."""
    count = rng.integers(2, 6, 2) * (1 if rng.random() < 0.6 else np.array([1, 0]))
    sharpness = rng.uniform(0.4, 2)

    def height(x: np.ndarray, z: np.ndarray) -> np.ndarray:
        swing = (np.cos(2 * np.pi * count[0] * x) * np.cos(2 * np.pi * count[1] * z)).clip(0)
        return swing**sharpness

    return height
