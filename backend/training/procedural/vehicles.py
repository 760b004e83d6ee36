"""Vehicle-like assemblies: bodies on wheels, boats, aeroplanes, rockets."""

from __future__ import annotations

import numpy as np
from manifold3d import CrossSection, Manifold

from backend.training.procedural.solids import (
    Component,
    Vector,
    ball,
    box,
    cylinder,
    extruded,
    limb,
    polygon,
    rounded_box,
    superquadric,
    torus,
)
from backend.training.procedural.substances import Kind

Rng = np.random.Generator
_BODY, _TRIM, _TYRE, _GLASS, _METAL = range(5)


def vehicle(rng: Rng) -> list[Component]:
    """One of: car, lorry, cart, boat, aeroplane, rocket. The nose points along +Z."""
    kinds = (_car, _lorry, _cart, _boat, _aeroplane, _rocket)
    return kinds[rng.choice(len(kinds), p=[0.35, 0.2, 0.12, 0.11, 0.12, 0.1])](rng)


def _wheel(radius: float, width: float, centre: Vector) -> list[Component]:
    """On both sides: a tyre and its hub."""
    x, y, z = centre
    tyre = cylinder(radius, width, sections=24).rotate((0.0, 0.0, 90.0)).translate((x, y, z))
    hub = cylinder(radius * 0.55, width * 1.15, sections=16).rotate((0.0, 0.0, 90.0)).translate((x, y, z))
    pair = [Component(tyre, _TYRE, Kind.RUBBER), Component(hub, _METAL, Kind.METAL)]
    return pair + [component.mirrored() for component in pair]


def _side_view(points: list[tuple[float, float]], width: float) -> Manifold:
    """A profile of (z, y), given a width along x."""
    outline = polygon(np.array([(-z, y) for z, y in points]))
    return extruded(outline, width).rotate((0.0, 90.0, 0.0))


def _lights(width: float, y: float, front: float, back: float) -> list[Component]:
    lamp = ball(width * 0.09, 12).scale((1, 1, 0.5))
    pair = [Component(lamp.translate((width * 0.33, y, front)), _GLASS + 2, Kind.PLASTIC)]
    pair.append(Component(lamp.translate((width * 0.33, y, back)), _GLASS + 3, Kind.PLASTIC))
    return pair + [component.mirrored() for component in pair]


def _car(rng: Rng) -> list[Component]:
    length, width = float(rng.uniform(1.4, 2.2)), float(rng.uniform(0.75, 1.05))
    radius = float(rng.uniform(0.16, 0.27))
    clear, bonnet = radius * 0.9, radius + float(rng.uniform(0.18, 0.32))
    roof = bonnet + float(rng.uniform(0.22, 0.42))
    nose, tail = length / 2, -length / 2
    screen, rear = float(rng.uniform(0.05, 0.22)) * length, float(rng.uniform(-0.5, -0.28)) * length
    lower = [(nose, clear), (nose, bonnet * 0.85), (nose * 0.92, bonnet), (tail, bonnet), (tail, clear)]
    slope = float(rng.uniform(0.05, 0.25))
    upper = [
        (screen + slope, bonnet - 0.01),
        (screen, roof),
        (rear + 0.05, roof),
        (rear - slope * 0.3, bonnet - 0.01),
    ]
    components = [
        Component(_side_view(lower, width), _BODY, Kind.PAINT),
        Component(_side_view(upper, width * 0.88), _BODY if rng.random() < 0.7 else _TRIM, Kind.PAINT),
    ]
    # Windows stand out by a hair, so that they show.
    z0, z1 = rear + 0.06, screen + slope * 0.4 - 0.02
    middle = (bonnet + roof) / 2
    pane = [
        (z1 + slope * 0.2, bonnet + 0.03),
        (z1 - slope * 0.25, roof - 0.05),
        (z0, roof - 0.05),
        (z0, bonnet + 0.03),
    ]
    components.append(Component(_side_view(pane, width * 0.88 + 0.02), _GLASS, Kind.GLASS))
    tilt = float(np.degrees(np.arctan2(slope, roof - bonnet)))
    shield = box((width * 0.76, (roof - bonnet) * 0.75, 0.04)).rotate((-tilt, 0.0, 0.0))
    components.append(Component(shield.translate((0, middle, screen + slope / 2 - 0.005)), _GLASS))
    for z in (nose * 0.62, tail * 0.62):
        components += _wheel(radius, width * 0.2, (width * 0.42, radius, z))
    components += _lights(width, bonnet * 0.78, nose, tail)
    if rng.random() < 0.5:
        for z in (nose, tail):
            components.append(
                Component(rounded_box((width, 0.09, 0.1), 0.04).translate((0, clear + 0.05, z)), _TRIM)
            )
    if rng.random() < 0.3:
        components.append(
            Component(box((width * 0.7, 0.05, length * 0.25), (0, roof + 0.03, (screen + rear) / 2)), _TRIM)
        )
    return components


def _lorry(rng: Rng) -> list[Component]:
    """A cab in front, a box, tank or open bed behind."""
    length, width = float(rng.uniform(1.8, 2.8)), float(rng.uniform(0.8, 1.0))
    radius = float(rng.uniform(0.16, 0.24))
    floor, cab = radius * 1.3, float(rng.uniform(0.5, 0.7))
    tall = float(rng.uniform(0.65, 0.95))
    nose, tail = length / 2, -length / 2
    front = rounded_box((width, tall, cab), 0.06).translate((0, floor + tall / 2, nose - cab / 2))
    components = [
        Component(box((width * 0.8, 0.12, length), (0, floor, 0)), _TRIM, Kind.METAL),
        Component(front, _BODY, Kind.PAINT),
        Component(box((width * 0.85, tall * 0.35, 0.03), (0, floor + tall * 0.68, nose)), _GLASS, Kind.GLASS),
        Component(
            box((width + 0.02, tall * 0.3, cab * 0.45), (0, floor + tall * 0.68, nose - cab * 0.45)), _GLASS
        ),
    ]
    room, middle = length - cab - 0.05, (tail + nose - cab - 0.05) / 2
    load = rng.integers(3)
    height = tall * float(rng.uniform(0.7, 1.5))
    if load == 0:
        components.append(Component(box((width, height, room), (0, floor + height / 2 + 0.05, middle)), 7))
    elif load == 1:
        tank = cylinder(width * 0.45, room, sections=28).rotate((90.0, 0.0, 0.0))
        components.append(Component(tank.translate((0, floor + width * 0.45, middle)), 7, Kind.METAL))
    else:
        bed = box((width, height * 0.5, room), (0, floor + height * 0.25 + 0.05, middle))
        hollow = box((width - 0.1, height * 0.5, room - 0.1), (0, floor + height * 0.25 + 0.13, middle))
        components.append(Component(bed - hollow, 7))
        if rng.random() < 0.5:
            heap = ball(0.5, 16).scale((width * 0.85, height * 0.8, room * 0.85))
            components.append(Component(heap.translate((0, floor + height * 0.3, middle)), 8))
    for z in (nose - cab / 2, tail * 0.55, tail * 0.85):
        components += _wheel(radius, width * 0.18, (width * 0.42, radius, z))
    return components + _lights(width, floor + tall * 0.15, nose, tail)


def _cart(rng: Rng) -> list[Component]:
    """An open box on two or four spoked or solid wheels, with a shaft."""
    length, width, radius = (
        float(rng.uniform(0.7, 1.2)),
        float(rng.uniform(0.5, 0.7)),
        float(rng.uniform(0.18, 0.35)),
    )
    deep = float(rng.uniform(0.15, 0.35))
    tray = box((width, deep, length)) - box((width - 0.08, deep, length - 0.08), (0, 0.05, 0))
    components = [Component(tray.translate((0, radius + deep / 2, 0)), _BODY, Kind.WOOD)]
    spoked = rng.random() < 0.6
    for z in (0.0,) if rng.random() < 0.5 else (length * 0.33, -length * 0.33):
        if spoked:
            rim = torus(radius * 0.9, radius * 0.1, 24, 8).rotate((0.0, 0.0, 90.0))
            spokes = [
                limb(
                    (0, 0, 0),
                    (0, float(np.sin(a)) * radius * 0.9, float(np.cos(a)) * radius * 0.9),
                    radius * 0.06,
                )
                for a in np.arange(6) * np.pi / 3
            ]
            wheel = rim.translate((width / 2 + 0.06, radius, z))
            parts = [Component(wheel, _TYRE, Kind.WOOD)]
            parts += [Component(s.translate((width / 2 + 0.06, radius, z)), _TYRE) for s in spokes]
            components += parts + [part.mirrored() for part in parts]
            axle = limb((-width / 2 - 0.1, radius, z), (width / 2 + 0.1, radius, z), radius * 0.12)
            components.append(Component(axle, _METAL, Kind.METAL))
        else:
            components += _wheel(radius, 0.08, (width / 2 + 0.05, radius, z))
    for x in (-width * 0.35, width * 0.35):
        shaft = limb((x, radius + 0.05, length / 2 - 0.05), (x * 0.6, radius * 1.2, length / 2 + 0.5), 0.025)
        components.append(Component(shaft, _TRIM, Kind.WOOD))
    return components


def _boat(rng: Rng) -> list[Component]:
    """A hull that narrows towards bow and keel, open or decked, with a cabin or a sail."""
    length, width, deep = 2.0, float(rng.uniform(0.5, 0.9)), float(rng.uniform(0.3, 0.5))
    full = float(rng.uniform(1.5, 3))

    def shaped(points: np.ndarray) -> np.ndarray:
        moved = np.array(points)
        along = (moved[:, 2] / (length / 2)).clip(-0.55, 1)
        beam = (1 - np.abs(along) ** full).clip(0.03)
        moved[:, 0] *= beam * (0.55 + 0.45 * (moved[:, 1] / deep + 0.5))
        moved[:, 1] += 0.12 * along**2 * deep
        return moved

    hull = box((width, deep, length)).refine_to_length(0.16).warp_batch(shaped)
    if rng.random() < 0.6:
        inner = box((width * 0.84, deep, length * 0.9)).refine_to_length(0.16).warp_batch(shaped)
        hull = hull - inner.translate((0, deep * 0.25, 0))
    components = [Component(hull, _BODY, Kind.WOOD if rng.random() < 0.5 else Kind.PAINT)]
    if rng.random() < 0.5:
        mast = float(rng.uniform(1.2, 1.8))
        sail = _side_view([(0.05, deep * 0.7), (0.05, mast), (-0.75, deep * 0.7)], 0.03)
        components += [
            Component(limb((0, 0, 0.08), (0, mast + 0.1, 0.08), 0.03), _TRIM, Kind.WOOD),
            Component(sail, _GLASS + 2, Kind.FABRIC),
        ]
    else:
        cabin = rounded_box((width * 0.55, deep * 0.9, length * 0.3), 0.05).translate((0, deep * 0.6, -0.1))
        components.append(Component(cabin, _TRIM, Kind.PAINT))
        components.append(
            Component(
                box((width * 0.58, deep * 0.25, length * 0.24), (0, deep * 0.75, -0.1)), _GLASS, Kind.GLASS
            )
        )
        if rng.random() < 0.5:
            components.append(Component(cylinder(0.07, 0.4).translate((0, deep * 1.1, -0.2)), _METAL))
    for z in (-0.3, 0.25):
        components.append(Component(box((width * 0.6, 0.05, 0.12), (0, deep * 0.3, z)), _TRIM))
    return components


def _aeroplane(rng: Rng) -> list[Component]:
    length, radius = 2.0, float(rng.uniform(0.14, 0.24))
    span, chord = float(rng.uniform(0.7, 1.2)), float(rng.uniform(0.25, 0.5))
    sweep = float(rng.uniform(0, 0.5))
    body = limb((0, 0, length * 0.4), (0, radius * 0.3, -length * 0.5), radius, radius * 0.3)
    wing = CrossSection(
        [[(0.0, -chord / 2), (span, -sweep - chord * 0.3), (span, -sweep + chord * 0.1), (0.0, chord / 2)]]
    )
    flat = wing.extrude(0.05).rotate((-90.0, 0.0, 0.0)).mirror((0.0, 0.0, 1.0))
    height = radius * float(rng.choice([-0.4, 0.0, 0.7]))
    main = Component(flat.translate((0, height, 0.1)), _TRIM, Kind.PAINT)
    small = Component(flat.scale((0.4, 1.0, 0.45)).translate((0, radius * 0.4, -length * 0.47)), _TRIM)
    fin = _side_view([(-0.75, radius * 0.3), (-1.05, radius * 0.3), (-1.1, 0.5), (-0.95, 0.5)], 0.05)
    components = [
        Component(body, _BODY, Kind.PAINT),
        main,
        main.mirrored(),
        small,
        small.mirrored(),
        Component(fin, _TRIM),
        Component(
            superquadric((radius * 1.1, radius * 1.2, 0.5), (1.0, 1.0), 16).translate(
                (0, radius * 0.75, 0.35)
            ),
            _GLASS,
            Kind.GLASS,
        ),
    ]
    if rng.random() < 0.5:
        engine = cylinder(radius * 0.45, 0.35, sections=16).rotate((90.0, 0.0, 0.0))
        components += [
            part
            for x in ((0.4 * span,) if rng.random() < 0.6 else (0.3 * span, 0.6 * span))
            for half in [
                Component(
                    engine.translate((x, height - radius * 0.3, 0.15 - sweep * x / span)), _METAL, Kind.METAL
                )
            ]
            for part in (half, half.mirrored())
        ]
    else:
        blade = box((0.8, 0.07, 0.03)).rotate((0.0, 0.0, float(rng.uniform(0, 90))))
        components.append(Component(blade.translate((0, 0, length * 0.4 + radius)), _METAL, Kind.WOOD))
        components.append(Component(ball(radius * 0.35, 12).translate((0, 0, length * 0.4 + radius)), _METAL))
    return components


def _rocket(rng: Rng) -> list[Component]:
    height, radius = float(rng.uniform(1.0, 1.8)), float(rng.uniform(0.16, 0.3))
    tip = radius * float(rng.uniform(1, 3))
    fins = int(rng.integers(3, 5))
    fin = extruded(
        CrossSection([[(0.0, 0.0), (radius * 1.3, -0.15), (radius * 1.3, 0.1), (0.0, 0.45)]]), 0.04
    )
    components = [
        Component(cylinder(radius, height, sections=28).translate((0, height / 2, 0)), _BODY, Kind.PAINT),
        Component(ball(1.0, 24).scale((radius, tip, radius)).translate((0, height, 0)), _TRIM, Kind.PAINT),
        Component(cylinder(radius * 0.9, 0.2, top=radius * 0.6).translate((0, -0.05, 0)), _METAL, Kind.METAL),
        Component(
            ball(radius * 0.35, 16).scale((1, 1, 0.4)).translate((0, height * 0.7, radius * 0.95)),
            _GLASS,
            Kind.GLASS,
        ),
    ]
    for k in range(fins):
        turned = fin.translate((radius * 0.9, 0.05, 0)).rotate((0.0, 360.0 * k / fins + 45, 0.0))
        components.append(Component(turned, _TRIM))
    return components
