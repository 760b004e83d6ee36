"""Furniture-like assemblies: things to sit on, to put something on or into."""

from __future__ import annotations

import numpy as np
from manifold3d import Manifold

from backend.training.procedural.solids import Component, Mapping, ball, box, cylinder, limb, rounded_box
from backend.training.procedural.substances import Kind

Rng = np.random.Generator
_FRAME, _TOP, _METAL = 0, 1, 2


def furniture(rng: Rng) -> list[Component]:
    """One of: table, chair, sofa, shelf, cabinet, bed, lamp, chest. Metres, the front on +Z."""
    kinds = (_table, _chair, _sofa, _shelf, _cabinet, _bed, _lamp, _chest)
    return kinds[rng.choice(len(kinds), p=[0.2, 0.25, 0.1, 0.12, 0.13, 0.07, 0.08, 0.05])](rng)


def _kind(rng: Rng) -> Kind | None:
    return (Kind.WOOD, Kind.WOOD, Kind.PAINT, Kind.METAL, None)[rng.integers(5)]


def _slab(width: float, height: float, depth: float, rng: Rng) -> Manifold:
    if rng.random() < 0.4:
        return rounded_box((width, height, depth), min(0.45 * min(height, width, depth), 0.04))
    return box((width, height, depth))


def _legs(width: float, height: float, depth: float, rng: Rng) -> list[Component]:
    """Four from the floor to `height`, straight, tapered or splayed; every third with stretchers."""
    thick = float(rng.uniform(0.025, 0.06))
    splay = float(rng.uniform(0.0, 0.12)) if rng.random() < 0.4 else 0.0
    square = rng.random() < 0.5
    kind = _kind(rng)
    components = []
    for sx in (-1, 1):
        for sz in (-1, 1):
            x, z = sx * (width / 2 - thick), sz * (depth / 2 - thick)
            if square and splay == 0:
                solid = box((2 * thick, height, 2 * thick), (x, height / 2, z))
            else:
                foot = (x + sx * splay, thick * 0.5, z + sz * splay)
                solid = limb(foot, (x, height, z), thick * float(rng.choice([0.6, 1.0])), thick)
            components.append(Component(solid, _FRAME, kind))
    if splay == 0 and rng.random() < 0.35:
        y = height * float(rng.uniform(0.15, 0.5))
        for sx in (-1, 1):
            bar = box((thick, thick, depth - 2 * thick), (sx * (width / 2 - thick), y, 0))
            components.append(Component(bar, _FRAME, kind))
    return components


def _table(rng: Rng) -> list[Component]:
    height = float(rng.choice([rng.uniform(0.35, 0.5), rng.uniform(0.68, 0.8), rng.uniform(0.9, 1.1)]))
    width, thick = float(rng.uniform(0.5, 1.8)), float(rng.uniform(0.03, 0.08))
    depth = width * float(rng.uniform(0.45, 1))
    if rng.random() < 0.35:  # one column
        top = cylinder(width / 2, thick, sections=32)
        column = cylinder(float(rng.uniform(0.03, 0.08)), height).translate((0, height / 2, 0))
        foot = cylinder(width * 0.3, 0.05, top=width * float(rng.uniform(0.05, 0.3)), sections=28)
        return [
            Component(top.translate((0, height, 0)), _TOP, _kind(rng)),
            Component(column, _FRAME, _kind(rng)),
            Component(foot.translate((0, 0.025, 0)), _FRAME),
        ]
    components = _legs(width, height, depth, rng)
    components.append(Component(_slab(width, thick, depth, rng).translate((0, height, 0)), _TOP, _kind(rng)))
    if rng.random() < 0.3:
        shelf = box((width - 0.1, thick * 0.7, depth - 0.1), (0, height * 0.3, 0))
        components.append(Component(shelf, _TOP))
    if rng.random() < 0.3:
        drawer = box((width * 0.5, 0.12, 0.05), (0, height - 0.1, depth / 2 - 0.02))
        components += [
            Component(drawer, _FRAME),
            Component(ball(0.025, 12).translate((0, height - 0.1, depth / 2 + 0.02)), _METAL, Kind.METAL),
        ]
    return components


def _chair(rng: Rng) -> list[Component]:
    """Stools are chairs without a back."""
    seat, width = float(rng.uniform(0.4, 0.55)), float(rng.uniform(0.38, 0.6))
    depth = width * float(rng.uniform(0.85, 1.1))
    thick = float(rng.uniform(0.03, 0.1))
    components = _legs(width, seat, depth, rng)
    if rng.random() < 0.25:
        cushion = cylinder(width / 2 * 1.05, thick, sections=28)
    else:
        cushion = _slab(width, thick, depth, rng)
    components.append(
        Component(cushion.translate((0, seat, 0)), _TOP, Kind.FABRIC if rng.random() < 0.5 else None)
    )
    if rng.random() < 0.2:
        return components
    tall, lean = float(rng.uniform(0.3, 0.65)), float(rng.uniform(0.0, 0.12))
    back_z = -depth / 2 + 0.02
    post = float(rng.uniform(0.018, 0.035))
    posts = [
        limb(
            (sx * (width / 2 - post), seat, back_z),
            (sx * (width / 2 - post), seat + tall, back_z - lean),
            post,
        )
        for sx in (-1, 1)
    ]
    style = rng.integers(3)
    if style == 0:  # a panel
        panel = _slab(width, tall * float(rng.uniform(0.5, 0.95)), thick, rng)
        angle = -float(np.degrees(np.arctan2(lean, tall)))
        high = panel.bounding_box()[4]
        panel = panel.translate((0, tall - high, 0)).rotate((angle, 0, 0)).translate((0, seat, back_z))
        components.append(Component(panel, _TOP))
    else:
        count = int(rng.integers(2, 5))
        for k in range(count):
            share = (k + 1) / count
            if style == 1:  # ladder
                y, z = seat + tall * share - 0.03, back_z - lean * share
                rail = box((width - post, float(rng.uniform(0.03, 0.07)), post * 1.2), (0, y, z))
            else:  # spindles
                x = width * (share - 0.5 - 0.5 / count)
                rail = limb((x, seat, back_z), (x, seat + tall, back_z - lean), post * 0.6)
            components.append(Component(rail, _FRAME))
        top_rail = limb(
            (-width / 2, seat + tall, back_z - lean), (width / 2, seat + tall, back_z - lean), post * 1.3
        )
        components.append(Component(top_rail, _FRAME))
    components += [Component(post_solid, _FRAME) for post_solid in posts]
    if rng.random() < 0.3:
        for sx in (-1, 1):
            x, y = sx * (width / 2), seat + 0.2
            components.append(Component(box((0.05, 0.03, depth * 0.9), (x, y, 0)), _FRAME))
            components.append(Component(limb((x, seat, depth / 3), (x, y, depth / 3), 0.02), _FRAME))
    return components


def _sofa(rng: Rng) -> list[Component]:
    seats = int(rng.integers(1, 4))
    width, depth, seat = 0.65 * seats + 0.3, float(rng.uniform(0.75, 0.95)), float(rng.uniform(0.36, 0.45))
    soft = float(rng.uniform(0.03, 0.1))
    kind = Kind.FABRIC
    arm, back = float(rng.uniform(0.55, 0.7)), float(rng.uniform(0.75, 1.0))
    components = [
        Component(
            rounded_box((width, seat * 0.75, depth), soft).translate((0, seat * 0.45, 0)), _FRAME, kind
        ),
        Component(rounded_box((width, back, 0.22), soft).translate((0, back / 2, -depth / 2 + 0.1)), _FRAME),
    ]
    for sx in (-1, 1):
        side = rounded_box((0.18, arm, depth), soft).translate((sx * (width / 2 - 0.05), arm / 2, 0))
        components.append(Component(side, _FRAME))
        for sz in (-1, 1):
            leg = cylinder(0.03, 0.12, top=0.04, sections=12)
            place = (sx * (width / 2 - 0.1), 0.0, sz * (depth / 2 - 0.1))
            components.append(Component(leg.translate(place), _METAL, Kind.WOOD))
    for k in range(seats):
        x = (k - (seats - 1) / 2) * 0.65
        cushion = rounded_box((0.62, 0.16, depth * 0.75), 0.06).translate((x, seat + 0.02, 0.1))
        components.append(Component(cushion, _TOP, kind))
    return components


def _shelf(rng: Rng) -> list[Component]:
    width, height = float(rng.uniform(0.5, 1.2)), float(rng.uniform(0.6, 2))
    depth, board = float(rng.uniform(0.25, 0.45)), float(rng.uniform(0.02, 0.05))
    rows = int(rng.integers(2, 6))
    components = [
        Component(box((board, height, depth), (sx * (width - board) / 2, height / 2, 0)), _FRAME, _kind(rng))
        for sx in (-1, 1)
    ]
    if rng.random() < 0.6:
        back = box((width, height, 0.02), (0, height / 2, -depth / 2 + 0.01))
        components.append(Component(back, _FRAME))
    for row in range(rows + 1):
        y = board / 2 + row * (height - board) / rows
        components.append(Component(box((width, board, depth), (0, y, 0)), _FRAME))
        if row < rows and rng.random() < 0.5:
            components += _things_on(width, y + board / 2, (height - board) / rows - board, depth, rng)
    return components


def _things_on(width: float, y: float, space: float, depth: float, rng: Rng) -> list[Component]:
    """A row of books, or a pot."""
    if rng.random() < 0.4:
        pot = cylinder(min(space, depth, width) * 0.3, space * 0.6, top=min(space, depth, width) * 0.4)
        return [Component(pot.translate((0, y + space * 0.3, 0)), _METAL)]
    components: list[Component] = []
    x = -width / 2 + 0.06
    while x < width / 2 - 0.1 and len(components) < 8:
        thick, tall = float(rng.uniform(0.03, 0.09)), space * float(rng.uniform(0.55, 0.9))
        book = box((thick, tall, depth * 0.7), (x + thick / 2, y + tall / 2, 0))
        components.append(Component(book, int(rng.integers(2, 5)), Kind.PAINT))
        x += thick + 0.004
    return components


def _cabinet(rng: Rng) -> list[Component]:
    width, height = float(rng.uniform(0.5, 1.4)), float(rng.uniform(0.5, 1.9))
    depth, foot = float(rng.uniform(0.35, 0.6)), float(rng.uniform(0.0, 0.2))
    columns, rows = int(rng.integers(1, 4)), int(rng.integers(1, 5))
    body = _slab(width, height, depth, rng).translate((0, foot + height / 2, 0))
    components = [Component(body, _FRAME, _kind(rng))]
    if foot > 0.05:
        components += _legs(width, foot + 0.02, depth, rng)
    gap = 0.03
    for i in range(columns):
        for j in range(rows):
            w, h = width / columns - gap, height / rows - gap
            x = (i - (columns - 1) / 2) * width / columns
            y = foot + (j + 0.5) * height / rows
            front = box((w, h, 0.03), (x, y, depth / 2 + 0.01))
            components.append(Component(front, _TOP, _kind(rng)))
            knob = ball(0.02, 12).translate((x + (w * 0.4 if h > w else 0), y, depth / 2 + 0.035))
            components.append(Component(knob, _METAL, Kind.METAL))
    return components


def _bed(rng: Rng) -> list[Component]:
    width, length, height = float(rng.uniform(0.9, 1.8)), 2.0, float(rng.uniform(0.3, 0.5))
    components = _legs(width, height, length, rng)
    components += [
        Component(box((width, 0.12, length), (0, height, 0)), _FRAME),
        Component(
            rounded_box((width * 0.95, 0.22, length * 0.95), 0.08).translate((0, height + 0.12, 0)),
            _TOP,
            Kind.FABRIC,
        ),
        Component(
            _slab(width, float(rng.uniform(0.4, 0.8)), 0.08, rng).translate((0, height + 0.2, -length / 2)),
            _FRAME,
        ),
    ]
    blanket = rounded_box((width * 1.0, 0.2, length * 0.6), 0.05).translate((0, height + 0.16, length * 0.18))
    components.append(Component(blanket, 3, Kind.FABRIC))
    count = 2 if width > 1.3 else 1
    for k in range(count):
        x = (k - (count - 1) / 2) * width * 0.45
        pillow = rounded_box((width * 0.8 / count, 0.14, 0.35), 0.07).translate(
            (x, height + 0.28, -length * 0.37)
        )
        components.append(Component(pillow, _METAL, Kind.FABRIC))
    return components


def _lamp(rng: Rng) -> list[Component]:
    height, shade = float(rng.uniform(0.4, 1.6)), float(rng.uniform(0.15, 0.28))
    tall = shade * float(rng.uniform(0.8, 1.5))
    narrow = shade * float(rng.uniform(0.4, 1))
    return [
        Component(cylinder(shade * 0.8, 0.03, sections=28).translate((0, 0.015, 0)), _FRAME, Kind.METAL),
        Component(limb((0, 0, 0), (0, height, 0), 0.015), _FRAME),
        Component(
            cylinder(shade, tall, top=narrow, sections=28).translate((0, height, 0)),
            _TOP,
            Kind.FABRIC,
            Mapping.WRAPPED,
        ),
    ]


def _chest(rng: Rng) -> list[Component]:
    width, height, depth = (
        float(rng.uniform(0.6, 1)),
        float(rng.uniform(0.3, 0.45)),
        float(rng.uniform(0.35, 0.55)),
    )
    lid = cylinder(depth / 2, width, sections=24).rotate((0.0, 0.0, 90.0)).scale((1, 0.7, 1))
    components = [
        Component(box((width, height, depth), (0, height / 2, 0)), _FRAME, Kind.WOOD),
        Component(lid.translate((0, height, 0)), _TOP, Kind.WOOD),
        Component(box((0.1, 0.12, 0.04), (0, height, depth / 2 + 0.01)), _METAL, Kind.METAL),
    ]
    for sx in (-1, 1):
        band = cylinder(depth / 2 + 0.015, 0.06, sections=24).rotate((0.0, 0.0, 90.0)).scale((1, 0.7, 1))
        components.append(Component(band.translate((sx * width * 0.35, height, 0)), _METAL))
        strap = box((0.06, height, depth + 0.03), (sx * width * 0.35, height / 2, 0))
        components.append(Component(strap, _METAL))
    return components
