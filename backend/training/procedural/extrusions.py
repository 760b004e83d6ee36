"""Flat outlines given a body: stars, gears, letters of bars, rounded plates with holes."""

from __future__ import annotations

import numpy as np
from manifold3d import CrossSection, JoinType, OpType

from backend.training.procedural.solids import Component, extruded, polygon

Rng = np.random.Generator


def extrusion(rng: Rng) -> list[Component]:
    """One to three layers of one outline, lying or standing."""
    outline = (_star, _gear, _blob, _bars, _regular)[rng.integers(5)](rng)
    if rng.random() < 0.4:
        rounded = outline.offset(0.05, JoinType.Round, circular_segments=12)
        outline = rounded if not rounded.is_empty() else outline
    if rng.random() < 0.4:
        hole = CrossSection.circle(float(rng.uniform(0.08, 0.22)), int(rng.choice([4, 6, 20])))
        outline = outline - hole
    depth = float(rng.uniform(0.08, 0.7))
    if rng.random() < 0.3:
        twist, top = float(rng.uniform(-90, 90)), float(rng.uniform(0.2, 1))
        components = [Component(extruded(outline, depth + 0.4, 10, twist, top), 0)]
    else:
        components = [Component(extruded(outline, depth), 0)]
        if rng.random() < 0.4:  # a smaller layer on the front
            front = extruded(outline.scale((0.7, 0.7)), depth * 0.3).translate((0, 0, depth * 0.6))
            components.append(Component(front, 1))
    if rng.random() < 0.5:
        components = [
            Component(c.solid.rotate((-90.0, 0.0, 0.0)), c.material, c.kind, c.mapping) for c in components
        ]
    return components


def _around(radius: np.ndarray) -> CrossSection:
    angle = np.linspace(0, 2 * np.pi, len(radius), endpoint=False) + np.pi / 2
    return polygon(np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1))


def _star(rng: Rng) -> CrossSection:
    points = int(rng.integers(3, 10))
    return _around(np.tile([0.5, float(rng.uniform(0.18, 0.42))], points))


def _gear(rng: Rng) -> CrossSection:
    teeth, depth = int(rng.integers(6, 15)), float(rng.uniform(0.06, 0.14))
    return _around(np.tile([0.5, 0.5, 0.5 - depth, 0.5 - depth], teeth))


def _blob(rng: Rng) -> CrossSection:
    angle = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    waves = sum(rng.normal(0, 0.25 / k) * np.cos(k * angle + rng.uniform(0, 6)) for k in range(1, 5))
    return _around(0.4 * np.exp(waves).clip(0.35, 1.6))


def _regular(rng: Rng) -> CrossSection:
    shape = _around(np.full(int(rng.integers(3, 9)), 0.5))
    return shape.scale((1.0, float(rng.uniform(0.4, 1))))


def _bars(rng: Rng) -> CrossSection:
    """Bars on a grid of two by three, as letters and brackets have them; the first always stands."""
    width = float(rng.uniform(0.12, 0.2))
    bars = [CrossSection.square((width, 1.0), True).translate((-0.25, 0))]
    if rng.random() < 0.6:
        bars.append(CrossSection.square((width, 1.0), True).translate((0.25, 0)))
    rows = rng.choice([-0.5, 0.0, 0.5], int(rng.integers(1, 4)), replace=False)
    for row in rows:
        height = float(row) * (1 - width)
        bars.append(CrossSection.square((0.5 + width, width), True).translate((0, height)))
    return CrossSection.batch_boolean(bars, OpType.Add)
