"""Solids with something taken away: drilled, hollowed, slotted, carved."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from manifold3d import Manifold

from backend.training.procedural.primitives import primitive
from backend.training.procedural.solids import Component, ball, box, cylinder, vector

Rng = np.random.Generator
_LEAST_REST = 0.25
"""Share of the volume that a cut must leave."""


def carved(rng: Rng) -> list[Component]:
    """A body with one or two kinds of cuts; the cuts of half of them show another material."""
    solid = primitive(rng)
    bounds = solid.bounding_box()
    solid = solid.translate(tuple(-(a + b) / 2 for a, b in zip(bounds[:3], bounds[3:], strict=True)))
    for cut in rng.choice(5, rng.integers(1, 3), replace=False):
        solid = (_hollowed, _drilled, _ringed, _slotted, _bitten)[cut](solid, rng)
    components = [Component(solid, 0)]
    if rng.random() < 0.3:  # something inside shows through the openings
        size = _sides(solid)
        components.append(Component(ball(0.3).scale(tuple(size)), 1))
    return components


def cut_by_chance(components: list[Component], rng: Rng) -> list[Component]:
    """The components with a primitive taken out of one of them."""
    chosen = int(rng.integers(len(components)))
    solid = components[chosen].solid
    bounds = solid.bounding_box()
    place = rng.uniform(bounds[:3], bounds[3:])
    tool = primitive(rng).scale(tuple(_sides(solid) * 0.6)).translate(tuple(place))
    changed = replace(components[chosen], solid=_less(solid, tool))
    return [changed if index == chosen else component for index, component in enumerate(components)]


def _less(solid: Manifold, tool: Manifold) -> Manifold:
    """The difference, or the solid where the tool would leave next to nothing of it."""
    rest = solid - tool
    return solid if rest.is_empty() or rest.volume() < _LEAST_REST * solid.volume() else rest


def _sides(solid: Manifold) -> np.ndarray:
    bounds = np.array(solid.bounding_box())
    return bounds[3:] - bounds[:3]


def _hollowed(solid: Manifold, rng: Rng) -> Manifold:
    """An open vessel: the solid less a smaller self that reaches out at the top."""
    wall = float(rng.uniform(0.72, 0.9))
    height = float(_sides(solid)[1])
    inner = solid.scale((wall, 1.0, wall)).translate((0, height * float(rng.uniform(0.08, 0.3)), 0))
    rest = solid - inner
    # Thin walls leave little volume, and are what is wanted here.
    return solid if rest.is_empty() else rest


def _drilled(solid: Manifold, rng: Rng) -> Manifold:
    """A row of holes through one axis."""
    sides = _sides(solid)
    through, along = rng.permutation(3)[:2]
    count = int(rng.integers(1, 5))
    third = 3 - through - along
    radius = float(min(sides[along] / count * 0.32, sides[third] * 0.32) * rng.uniform(0.5, 1))
    drill = cylinder(radius, float(sides[through]) * 2, sections=int(rng.choice([4, 6, 16, 24])))
    drill = drill.rotate(((0.0, 0.0, 90.0), (0.0, 0.0, 0.0), (90.0, 0.0, 0.0))[through])
    offsets = np.zeros((count, 3))
    offsets[:, along] = (np.arange(count) - (count - 1) / 2) * sides[along] / count
    for offset in offsets:
        solid = _less(solid, drill.translate(tuple(offset)))
    return solid


def _ringed(solid: Manifold, rng: Rng) -> Manifold:
    """Notches around the upright axis."""
    sides = _sides(solid)
    count = int(rng.integers(3, 9))
    reach = float(max(sides[0], sides[2]) / 2)
    tool = primitive(rng).scale((float(rng.uniform(0.25, 0.5)) * reach,) * 3)
    tool = tool.translate((reach, float(rng.uniform(-0.5, 0.5) * sides[1]), 0))
    for k in range(count):
        solid = _less(solid, tool.rotate((0, 360.0 * k / count, 0)))
    return solid


def _slotted(solid: Manifold, rng: Rng) -> Manifold:
    """Parallel slots, as of a grille."""
    sides = _sides(solid)
    axis = int(rng.integers(3))
    count = int(rng.integers(1, 5))
    size = sides * rng.uniform(0.4, 1.2, 3)
    size[axis] = sides[axis] / count * rng.uniform(0.2, 0.5)
    shift = np.zeros(3)
    open_axis = (axis + 1) % 3
    shift[open_axis] = sides[open_axis] * rng.uniform(0.2, 0.5)
    for k in range(count):
        centre = shift.copy()
        centre[axis] = (k - (count - 1) / 2) * sides[axis] / count
        solid = _less(solid, box(vector(size), vector(centre)))
    return solid


def _bitten(solid: Manifold, rng: Rng) -> Manifold:
    """Up to three primitives taken out anywhere at the border."""
    sides = _sides(solid)
    for _ in range(rng.integers(1, 4)):
        direction = rng.normal(size=3)
        place = direction / np.linalg.norm(direction) * sides / 2
        solid = _less(solid, primitive(rng).scale(tuple(sides * 0.6)).translate(tuple(place)))
    return solid
