"""Things drawn along a curve: pipes, springs, ropes, knots, horns, chains, wire frames."""

from __future__ import annotations

import numpy as np
from manifold3d import Manifold

from backend.training.procedural.solids import Component, ball, limb, spline, torus, tube
from backend.training.procedural.substances import Kind

Rng = np.random.Generator


def sweep(rng: Rng) -> list[Component]:
    """One of the kinds named above."""
    kinds = (_pipe, _ring, _spring, _rope, _knot, _horn, _chain, _frame, _branches)
    return kinds[rng.integers(len(kinds))](rng)


def _pipe(rng: Rng) -> list[Component]:
    """An open curve of even thickness, often with balls or flanges at its ends."""
    controls = np.cumsum(rng.normal(0, 0.35, (int(rng.integers(3, 6)), 3)), axis=0)
    radius = float(rng.uniform(0.04, 0.13))
    path = spline(controls, 30)
    components = [Component(tube(path, radius), 0)]
    if rng.random() < 0.6:
        size = radius * float(rng.uniform(1.2, 2.2))
        components += [Component(ball(size, 16).translate(tuple(path[end])), 1) for end in (0, -1)]
    return components


def _ring(rng: Rng) -> list[Component]:
    """A closed curve: a loop, a wreath, a frame."""
    angle = np.linspace(0, 2 * np.pi, int(rng.integers(4, 8)), endpoint=False)
    controls = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)
    controls *= rng.uniform(0.35, 0.6, (len(angle), 1))
    controls[:, 2] = rng.normal(0, 0.08, len(angle))
    return [
        Component(tube(spline(controls, 40, closed=True), float(rng.uniform(0.04, 0.14)), closed=True), 0)
    ]


def _spring(rng: Rng) -> list[Component]:
    turns, height = rng.uniform(2, 5), rng.uniform(0.5, 1.3)
    angle = np.linspace(0, 2 * np.pi * turns, int(14 * turns))
    taper = np.linspace(1, rng.uniform(0.2, 1), len(angle)) * 0.35
    path = np.stack(
        [taper * np.cos(angle), np.linspace(0, height, len(angle)), taper * np.sin(angle)], axis=1
    )
    gap = height / turns
    components = [Component(tube(path, float(gap * rng.uniform(0.12, 0.3)), sections=8), 0)]
    if rng.random() < 0.3:
        components.append(Component(limb((0, 0, 0), (0, height, 0), 0.1), 1))
    return components


def _rope(rng: Rng) -> list[Component]:
    """Two or three strands around a curve."""
    strands = int(rng.integers(2, 4))
    spine = spline(np.cumsum(rng.normal(0, 0.3, (3, 3)) + np.array([0, 0.3, 0]), axis=0), 48)
    ahead = np.gradient(spine, axis=0)
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True).clip(1e-9)
    side = np.cross(ahead, [0.0, 0.0, 1.0])
    side /= np.linalg.norm(side, axis=1, keepdims=True).clip(1e-9)
    up = np.cross(ahead, side)
    radius = float(rng.uniform(0.05, 0.1))
    turns = rng.uniform(2, 5)
    components = []
    for strand in range(strands):
        angle = (np.linspace(0, turns, len(spine)) + strand / strands) * 2 * np.pi
        offset = np.cos(angle)[:, None] * side + np.sin(angle)[:, None] * up
        components.append(Component(tube(spine + offset * radius * 0.9, radius, sections=8), strand % 2))
    return components


def _knot(rng: Rng) -> list[Component]:
    p, q = ((2, 3), (3, 2), (2, 5), (1, 4), (3, 4))[rng.integers(5)]
    angle = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    radius = 0.4 + 0.16 * np.cos(q * angle)
    path = np.stack(
        [radius * np.cos(p * angle), radius * np.sin(p * angle), 0.16 * np.sin(q * angle)], axis=1
    )
    return [Component(tube(path, float(rng.uniform(0.04, 0.08)), closed=True, sections=8), 0)]


def _horn(rng: Rng) -> list[Component]:
    """A curve that thins out: horn, tusk, tentacle, hook."""
    turns, lift = rng.uniform(0.3, 1.2), rng.uniform(0.0, 0.8)
    angle = np.linspace(0, 2 * np.pi * turns, 28)
    shrink = np.linspace(1, rng.uniform(0.3, 0.8), 28) * 0.5
    path = np.stack([shrink * np.cos(angle), shrink * np.sin(angle), np.linspace(0, lift, 28)], axis=1)
    thickness = float(rng.uniform(0.08, 0.17)) * np.linspace(1, 0.1, 28) ** rng.uniform(0.5, 1.2)
    horn = Component(tube(path, thickness, sections=12), 0, Kind.SKIN if rng.random() < 0.4 else None)
    if rng.random() < 0.4:
        return [
            horn.moved(x=0.3),
            horn.moved(x=0.3).mirrored(),
            Component(ball(0.4).scale((1.3, 0.8, 0.9)), 1),
        ]
    return [horn]


def _chain(rng: Rng) -> list[Component]:
    links, minor = int(rng.integers(2, 6)), float(rng.uniform(0.035, 0.07))
    link = torus(0.2, minor, 20, 8).scale((1.4, 1.0, 1.0))
    step = 2 * (0.28 - minor)
    solids = [link.rotate((90.0 * (k % 2), 0, 0)).translate((k * step, 0, 0)) for k in range(links)]
    return [
        Component(solid, k % 2 if rng.random() < 0.2 else 0, Kind.METAL) for k, solid in enumerate(solids)
    ]


_HULLS: dict[str, list[tuple[float, float, float]]] = {
    "cube": [(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)],
    "tetrahedron": [(1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1)],
    "octahedron": [(1.3, 0, 0), (-1.3, 0, 0), (0, 1.3, 0), (0, -1.3, 0), (0, 0, 1.3), (0, 0, -1.3)],
    "prism": [(x, y, z) for y in (-1, 1) for x, z in ((1, 0), (-0.5, 0.87), (-0.5, -0.87))],
}


def _frame(rng: Rng) -> list[Component]:
    """The edges of a polyhedron as bars, as in LRM-Zero's wire frames (Xie et al. 2024)."""
    corners = np.array(_HULLS[list(_HULLS)[rng.integers(len(_HULLS))]]) * rng.uniform(0.25, 0.6, 3)
    mesh = Manifold.hull_points(corners).to_mesh()
    edges = np.sort(np.asarray(mesh.tri_verts)[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    points = np.asarray(mesh.vert_properties)[:, :3]
    edges = _ridges(np.unique(edges, axis=0), np.asarray(mesh.tri_verts), points)
    radius = float(rng.uniform(0.03, 0.08))
    bars = [limb(tuple(points[a]), tuple(points[b]), radius) for a, b in edges]
    components = [Component(bar, 0) for bar in bars]
    if rng.random() < 0.4:
        size = radius * float(rng.uniform(1.3, 2.5))
        components += [Component(ball(size, 14).translate(tuple(point)), 1) for point in points]
    return components


def _ridges(edges: np.ndarray, triangles: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The edges between triangles that do not lie in one plane."""
    normals = np.cross(
        points[triangles[:, 1]] - points[triangles[:, 0]], points[triangles[:, 2]] - points[triangles[:, 0]]
    )
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    kept = []
    for a, b in edges:
        both = normals[((triangles == a) | (triangles == b)).sum(axis=1) == 2]
        if both[0] @ both[1] < 0.999:
            kept.append((a, b))
    return np.array(kept)


def _branches(rng: Rng) -> list[Component]:
    """A trunk that forks, with or without leaves: trees, corals, candlesticks."""
    components: list[Component] = []
    leafy = rng.random() < 0.6

    def grow(start: np.ndarray, direction: np.ndarray, length: float, radius: float, depth: int) -> None:
        end = start + direction * length
        components.append(Component(limb(tuple(start), tuple(end), radius, radius * 0.7), 0, Kind.WOOD))
        if depth == 0:
            if leafy:
                crown = ball(length * float(rng.uniform(0.5, 0.9)), 12).scale(
                    (1, float(rng.uniform(0.6, 1)), 1)
                )
                components.append(Component(crown.translate(tuple(end)), 1, Kind.SKIN))
            return
        for _ in range(rng.integers(2, 4)):
            bent = direction + rng.normal(0, 0.55, 3) + [0, 0.2, 0]
            grow(
                end,
                bent / np.linalg.norm(bent),
                length * float(rng.uniform(0.55, 0.85)),
                radius * 0.65,
                depth - 1,
            )

    grow(np.zeros(3), np.array([0.0, 1.0, 0.0]), 0.5, float(rng.uniform(0.06, 0.12)), int(rng.integers(1, 3)))
    return components
