"""Assemblies of primitives: stacked, grown out of each other or scattered; half of them mirrored."""

from __future__ import annotations

import numpy as np
from manifold3d import CrossSection, Manifold

from backend.training.procedural.solids import (
    Component,
    Mapping,
    ball,
    box,
    cylinder,
    extruded,
    limb,
    rounded_box,
    superquadric,
    torus,
    vector,
)

Rng = np.random.Generator


def primitive(rng: Rng) -> Manifold:
    """One convex piece or ring around the origin, its sides between 0.2 and 1."""
    kind = rng.integers(10)
    size = vector(rng.uniform(0.2, 1, 3))
    wide, tall = float(rng.uniform(0.12, 0.45)), float(rng.uniform(0.25, 1))
    if kind == 0:
        solid = box(size)
    elif kind == 1:
        solid = rounded_box(size, float(rng.uniform(0.05, 0.3)) * min(size))
    elif kind == 2:
        solid = cylinder(wide, tall)
    elif kind == 3:
        solid = cylinder(wide, tall, top=wide * float(rng.choice([0.0, 0.3, 0.6])))
    elif kind == 4:
        solid = ball(0.5).scale(size)
    elif kind == 5:
        exponents = rng.choice([0.15, 0.4, 0.7, 1.0, 1.6, 2.2], 2)
        solid = superquadric(size, (float(exponents[0]), float(exponents[1])))
    elif kind == 6:
        major = float(rng.uniform(0.25, 0.45))
        solid = torus(major, major * float(rng.uniform(0.15, 0.45)))
    elif kind == 7:
        solid = limb((0, -tall / 2, 0), (0, tall / 2, 0), wide / 2, wide / 2 * float(rng.uniform(0.4, 1)))
    elif kind == 8:
        solid = cylinder(wide, tall, sections=int(rng.integers(3, 9)))
    else:  # a wedge
        outline = CrossSection([[(-0.5, 0.0), (0.5, 0.0), (rng.uniform(-0.5, 0.5), 1.0)]])
        solid = extruded(outline, 1.0).translate((0, -0.5, 0)).scale(size)
    if rng.random() < 0.25:
        return solid.rotate(tuple(rng.uniform(-180, 180, 3)))
    # Most made things lie along the axes.
    return solid.rotate(tuple(90.0 * rng.integers(0, 2, 3)))


def assembly(rng: Rng) -> list[Component]:
    """One to seven primitives of up to three materials."""
    place = (_stacked, _grown, _scattered)[rng.choice(3, p=[0.3, 0.45, 0.25])]
    components = place(rng, int(rng.integers(1, 7)))
    if rng.random() < 0.5:
        components += [component.mirrored() for component in components[1:]]
    return components


def _component(solid: Manifold, rng: Rng) -> Component:
    mapping = (Mapping.BOX, Mapping.WRAPPED, Mapping.UPRIGHT)[rng.choice(3, p=[0.6, 0.25, 0.15])]
    return Component(solid, int(rng.integers(3)), mapping=mapping)


def _stacked(rng: Rng, count: int) -> list[Component]:
    """One upon the other, mostly narrowing."""
    components, top, width = [], 0.0, 1.0
    for _ in range(count):
        solid = primitive(rng).scale((width, width * float(rng.uniform(0.4, 1)), width))
        low_high = solid.bounding_box()
        components.append(_component(solid.translate((0, top - low_high[1] - 0.01, 0)), rng))
        top += low_high[4] - low_high[1] - 0.01
        width *= float(rng.uniform(0.55, 1.1))
    return components


def _grown(rng: Rng, count: int) -> list[Component]:
    """Each sits on a side of one before it."""
    components = [_component(primitive(rng), rng)]
    while len(components) < count:
        box_of = components[rng.integers(len(components))].solid.bounding_box()
        low, high = np.array(box_of[:3]), np.array(box_of[3:])
        solid = primitive(rng).scale((float(rng.uniform(0.3, 0.8)),) * 3)
        half = (np.array(solid.bounding_box()[3:]) - np.array(solid.bounding_box()[:3])) / 2
        axis, side = rng.integers(3), rng.choice([-1, 1])
        centre = rng.uniform(low, high) * 0.5 + (low + high) / 4
        centre[axis] = (high if side > 0 else low)[axis] + side * half[axis] * 0.7
        components.append(_component(solid.translate(tuple(centre)), rng))
    return components


def _scattered(rng: Rng, count: int) -> list[Component]:
    solids = [primitive(rng).scale((float(rng.uniform(0.4, 1)),) * 3) for _ in range(count)]
    return [_component(solid.translate(tuple(rng.uniform(-0.4, 0.4, 3))), rng) for solid in solids]
