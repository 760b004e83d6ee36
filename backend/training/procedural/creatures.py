"""Creature-like assemblies of blobs, the same left and right: four-legged, upright, birds, bugs, fish."""

from __future__ import annotations

import numpy as np
from manifold3d import Manifold

from backend.training.procedural.solids import (
    Component,
    Vector,
    ball,
    cylinder,
    limb,
    spline,
    superquadric,
    tube,
)
from backend.training.procedural.substances import Kind

Rng = np.random.Generator
_HIDE, _TRIM, _EYE, _CLOTH = 0, 1, 2, 3


def creature(rng: Rng) -> list[Component]:
    """One of the kinds named above, looking along +Z."""
    kinds = (_quadruped, _biped, _bird, _bug, _fish)
    return kinds[rng.choice(len(kinds), p=[0.3, 0.32, 0.14, 0.14, 0.1])](rng)


def _ellipsoid(size: Vector, centre: Vector) -> Manifold:
    return ball(0.5, 18).scale(size).translate(centre)


def _both(component: Component) -> list[Component]:
    return [component, component.mirrored()]


def _head(centre: Vector, size: float, rng: Rng) -> list[Component]:
    """A skull with eyes; a snout, ears, horns or a nose by chance."""
    x, y, z = centre
    wide, tall, long = (size * float(rng.uniform(0.8, 1.15)) for _ in range(3))
    if rng.random() < 0.25:
        skull = superquadric((wide, tall, long), (0.35, 0.35), 20).translate(centre)
    else:
        skull = _ellipsoid((wide, tall, long), centre)
    components = [Component(skull, _HIDE, Kind.SKIN)]
    apart, eye = wide * float(rng.uniform(0.18, 0.3)), size * float(rng.uniform(0.06, 0.13))
    front = z + long * 0.5 * float(np.sqrt(max(1 - (2 * apart / wide) ** 2, 0.1)))
    components += _both(
        Component(ball(eye, 12).translate((apart, y + tall * 0.12, front - eye * 0.4)), _EYE, Kind.GLASS)
    )
    if rng.random() < 0.55:
        reach = long * float(rng.uniform(0.4, 0.85))
        snout = limb((x, y - tall * 0.12, z), (x, y - tall * 0.2, z + reach), wide * 0.28, wide * 0.2)
        components.append(Component(snout, _TRIM if rng.random() < 0.4 else _HIDE))
        components.append(
            Component(ball(wide * 0.08, 10).translate((x, y - tall * 0.1, z + reach + wide * 0.15)), _EYE)
        )
    style = rng.integers(5)
    side, up = wide * 0.3, y + tall * 0.35
    if style == 0:  # pointed ears
        ear = cylinder(wide * 0.16, tall * 0.5, top=0.0, sections=10).scale((1, 1, 0.5))
        components += _both(
            Component(ear.rotate((0, 0, -15)).translate((side, up + tall * 0.2, z)), _TRIM, Kind.SKIN)
        )
    elif style == 1:  # round ears
        ear = _ellipsoid((wide * 0.4, tall * 0.4, long * 0.15), (side * 1.25, up + tall * 0.1, z))
        components += _both(Component(ear, _HIDE))
    elif style == 2:  # long ears
        tip = (side * float(rng.uniform(0.8, 1.8)), up + tall * float(rng.uniform(0.5, 0.9)), z - long * 0.1)
        components += _both(Component(limb((side * 0.7, up, z), tip, wide * 0.1, wide * 0.07), _HIDE))
    elif style == 3:  # horns
        path = np.array(
            [[side, up, z], [side * 1.8, up + tall * 0.3, z], [side * 1.6, up + tall * 0.75, z + long * 0.1]]
        )
        horn = tube(spline(path, 10), wide * 0.09 * np.linspace(1, 0.15, 10), sections=8)
        components += _both(Component(horn, _TRIM, Kind.STONE))
    return components


def _quadruped(rng: Rng) -> list[Component]:
    """A body of two blobs on four legs, with neck, head and tail."""
    length, girth = float(rng.uniform(0.6, 1.2)), float(rng.uniform(0.3, 0.6))
    leg, thick = float(rng.uniform(0.25, 0.8)), float(rng.uniform(0.05, 0.11))
    y = leg + girth * 0.35
    chest, hip = (
        (0.0, y, length / 2 - girth / 2),
        (0.0, y * float(rng.uniform(0.92, 1.05)), -length / 2 + girth / 2),
    )
    body = limb(chest, hip, girth / 2, girth / 2 * float(rng.uniform(0.75, 1.1)))
    components = [Component(body, _HIDE, Kind.SKIN)]
    for place in (chest, hip):
        x, z = girth * 0.32, place[2]
        knee = (x, leg * 0.5, z + float(rng.uniform(-0.05, 0.05)))
        components += _both(Component(limb((x, y - girth * 0.2, z), knee, thick * 1.3, thick), _HIDE))
        components += _both(Component(limb(knee, (x, thick * 0.7, z), thick, thick * 0.8), _HIDE))
        components += _both(
            Component(
                _ellipsoid((thick * 2, thick * 1.4, thick * 2.6), (x, thick * 0.7, z + thick * 0.4)), _TRIM
            )
        )
    size = girth * float(rng.uniform(0.6, 1.1))
    neck, rise = float(rng.uniform(0.1, 0.45)), float(rng.uniform(0.2, 1.0))
    crown = (0.0, y + girth * 0.2 + neck * rise + size * 0.2, chest[2] + girth * 0.35 + neck * (1.2 - rise))
    components.append(Component(limb(chest, crown, girth * 0.3, size * 0.3), _HIDE))
    components += _head(crown, size, rng)
    if rng.random() < 0.8:
        reach = float(rng.uniform(0.15, 0.6))
        path = np.array(
            [
                hip,
                (0, y + reach * 0.3, -length / 2 - reach * 0.5),
                (0, y + reach * float(rng.uniform(-0.6, 0.8)), -length / 2 - reach),
            ]
        )
        tail = tube(spline(path, 12), thick * np.linspace(0.9, float(rng.uniform(0.2, 1.2)), 12), sections=8)
        components.append(Component(tail, _HIDE if rng.random() < 0.6 else _TRIM))
    return components


def _biped(rng: Rng) -> list[Component]:
    """A figure with arms spread (T-pose), raised or hanging; clothed by chance."""
    leg, torso = float(rng.uniform(0.2, 0.8)), float(rng.uniform(0.35, 0.65))
    wide, thick = float(rng.uniform(0.3, 0.55)), float(rng.uniform(0.05, 0.1))
    deep = wide * float(rng.uniform(0.5, 0.9))
    shoulder = leg + torso
    if rng.random() < 0.5:
        trunk = superquadric(
            (wide, torso * 1.1, deep), (float(rng.uniform(0.3, 0.8)), float(rng.uniform(0.4, 1))), 20
        )
        trunk = trunk.translate((0, leg + torso / 2, 0))
    else:
        trunk = limb(
            (0, leg + wide * 0.2, 0),
            (0, shoulder - wide * 0.2, 0),
            wide / 2,
            wide / 2 * float(rng.uniform(0.6, 1.1)),
        )
        trunk = trunk.scale((1, 1, deep / wide))
    components = [Component(trunk, _CLOTH, Kind.FABRIC)]
    hip = wide * 0.27
    components += _both(
        Component(limb((hip, leg + 0.05, 0), (hip, thick, 0), thick * 1.2, thick), _TRIM, Kind.FABRIC)
    )
    foot = _ellipsoid((thick * 2.2, thick * 1.6, thick * 4), (hip, thick * 0.7, thick * 0.8))
    components += _both(Component(foot, 4, Kind.RUBBER))
    reach, angle = (
        torso * float(rng.uniform(0.7, 1.1)),
        np.radians(float(rng.choice([0.0, -70.0, -35.0, 50.0]))),
    )
    start = (wide * 0.42, shoulder - wide * 0.15, 0.0)
    hand = (
        start[0] + reach * float(np.cos(angle)),
        start[1] + reach * float(np.sin(angle)),
        float(rng.uniform(0, 0.15)),
    )
    components += _both(Component(limb(start, hand, thick * 1.1, thick * 0.8), _CLOTH))
    components += _both(Component(ball(thick * 1.2, 12).translate(hand), _HIDE, Kind.SKIN))
    size = float(rng.uniform(0.25, 0.65))
    crown = (0.0, shoulder + size * 0.42, deep * 0.05)
    components += _head(crown, size, rng)
    if rng.random() < 0.35:
        brim = cylinder(size * 0.62, size * 0.08).translate((0, crown[1] + size * 0.32, 0))
        top = cylinder(size * 0.36, size * 0.5, top=size * float(rng.choice([0.0, 0.3, 0.36])))
        components += [
            Component(brim, 4),
            Component(top.translate((0, crown[1] + size * 0.58, 0)), 4),
        ]
    if rng.random() < 0.25:
        pack = superquadric((wide * 0.7, torso * 0.7, deep * 0.6), (0.4, 0.4), 16)
        components.append(Component(pack.translate((0, leg + torso * 0.6, -deep * 0.6)), 4))
    return components


def _bird(rng: Rng) -> list[Component]:
    body, leg = float(rng.uniform(0.35, 0.6)), float(rng.uniform(0.1, 0.4))
    y = leg + body * 0.5
    trunk = limb(
        (0, y, body * 0.15),
        (0, y + body * float(rng.uniform(-0.1, 0.3)), -body * 0.6),
        body * 0.5,
        body * 0.15,
    )
    head, size = (
        (0.0, y + body * float(rng.uniform(0.5, 1.0)), body * 0.45),
        body * float(rng.uniform(0.4, 0.6)),
    )
    beak = cylinder(size * 0.22, size * float(rng.uniform(0.4, 1)), top=0.0, sections=10).rotate((90, 0, 0))
    components = [
        Component(trunk, _HIDE, Kind.SKIN),
        Component(limb((0, y, body * 0.2), head, body * 0.28, size * 0.4), _HIDE),
        Component(ball(size / 2, 18).translate(head), _HIDE),
        Component(beak.translate((0, head[1] - size * 0.05, head[2] + size * 0.7)), _TRIM, Kind.PLASTIC),
    ]
    components += _both(
        Component(
            ball(size * 0.1, 10).translate((size * 0.28, head[1] + size * 0.12, head[2] + size * 0.35)),
            _EYE,
            Kind.GLASS,
        )
    )
    span = body * float(rng.uniform(0.3, 1.6)) if rng.random() < 0.5 else 0.0
    wing = ball(0.5, 16).scale((0.12 * body + span, 0.5 * body if span == 0 else 0.1 * body, body * 0.9))
    components += _both(
        Component(wing.translate((body * 0.45 + span / 2, y + body * 0.1, -body * 0.15)), _CLOTH, Kind.SKIN)
    )
    foot = (body * 0.2, 0.02, body * 0.1)
    components += _both(Component(limb((body * 0.2, y, 0.0), foot, body * 0.05), _TRIM))
    components += _both(Component(_ellipsoid((body * 0.22, 0.05, body * 0.35), foot), _TRIM))
    return components


def _bug(rng: Rng) -> list[Component]:
    """A row of blobs on three to five pairs of bent legs."""
    blobs = int(rng.integers(2, 5))
    sizes = rng.uniform(0.2, 0.5, blobs)
    y, z = float(rng.uniform(0.2, 0.4)), 0.0
    components = []
    for k, size in enumerate(sizes):
        solid = _ellipsoid((float(size), float(size * 0.8), float(size * 1.2)), (0, y, z))
        components.append(
            Component(
                solid, _HIDE if k % 2 == 0 else _CLOTH, Kind.SKIN if rng.random() < 0.5 else Kind.PLASTIC
            )
        )
        z -= float(size + sizes[min(k + 1, blobs - 1)]) * 0.48
    reach, thick = float(rng.uniform(0.3, 0.6)), float(rng.uniform(0.02, 0.04))
    for start in np.linspace(0.05, z * 0.8, int(rng.integers(3, 6))):
        knee = (reach * 0.6, y + 0.15, float(start) * 1.2)
        components += _both(Component(limb((0.0, y, float(start)), knee, thick), _TRIM))
        components += _both(
            Component(limb(knee, (reach, thick, float(start) * 1.3), thick, thick * 0.7), _TRIM)
        )
    front = float(sizes[0])
    components += _both(
        Component(
            ball(front * 0.15, 10).translate((front * 0.25, y + front * 0.2, front * 0.5)), _EYE, Kind.GLASS
        )
    )
    if rng.random() < 0.5:
        tip = (front * 0.5, y + front * 0.9, front * 0.9)
        components += _both(
            Component(limb((front * 0.15, y + front * 0.3, front * 0.4), tip, thick * 0.7), _TRIM)
        )
    return components


def _fish(rng: Rng) -> list[Component]:
    length, tall = 1.0, float(rng.uniform(0.3, 0.7))
    deep = tall * float(rng.uniform(0.35, 0.8))
    body = limb((0, 0, 0.2), (0, 0, -0.4), 0.3, 0.08).scale((deep / 0.6, tall / 0.6, length))
    fin = superquadric((0.05, tall * float(rng.uniform(0.7, 1.2)), 0.25), (1.0, 1.6), 14)
    components = [
        Component(body, _HIDE, Kind.SKIN),
        Component(fin.translate((0, 0, -0.55)), _TRIM, Kind.SKIN),
        Component(fin.scale((1, 0.5, 1)).translate((0, tall * 0.5, -0.05)), _TRIM),
    ]
    side = fin.scale((1, 0.4, 1)).rotate((0, 0, -60)).translate((deep * 0.5, -tall * 0.2, 0.1))
    components += _both(Component(side, _TRIM))
    components += _both(
        Component(ball(0.05, 12).translate((deep * 0.32, tall * 0.15, 0.35)), _EYE, Kind.GLASS)
    )
    return components
