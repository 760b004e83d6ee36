"""Closed solids of which procedural shapes are made, standing along +Y.

manifold3d builds them: what comes out of its constructors and booleans is watertight by construction, so that
labels need no repair. What it has no constructor for (superquadrics, tubes) is skinned here from rings.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto

import numpy as np
from jaxtyping import Float
from manifold3d import CrossSection, Error, Manifold, Mesh

from backend.training.procedural.substances import Kind

Vector = tuple[float, float, float]


class Mapping(Enum):
    """How a texture lies on a component."""

    BOX = auto()
    """Each face from the axis that it looks along most."""
    WRAPPED = auto()
    """Once around the component's upright axis; v runs along it."""
    UPRIGHT = auto()
    """v runs from the component's foot to its top, as gradients want it."""


@dataclass(frozen=True)
class Component:
    """One solid of an object and what it is made of."""

    solid: Manifold
    material: int = 0
    """Components of one number share one material."""
    kind: Kind | None = None
    """What that material is; the first component of a number decides, None leaves it to chance."""
    mapping: Mapping = Mapping.BOX

    def moved(self, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Component:
        return replace(self, solid=self.solid.translate((x, y, z)))

    def mirrored(self) -> Component:
        """Its twin on the other side of the plane x = 0."""
        return replace(self, solid=self.solid.mirror((1.0, 0.0, 0.0)))


def vector(values: Float[np.ndarray, " 3"]) -> Vector:
    """As manifold3d takes it."""
    return float(values[0]), float(values[1]), float(values[2])


def box(size: Vector, centre: Vector = (0.0, 0.0, 0.0)) -> Manifold:
    return Manifold.cube(size, True).translate(centre)


def cylinder(radius: float, height: float, top: float | None = None, sections: int = 24) -> Manifold:
    """Centred at the origin; with `top`, a truncated cone that ends in that radius."""
    above = radius if top is None else top
    return Manifold.cylinder(height, radius, above, sections, True).rotate((-90.0, 0.0, 0.0))


def ball(radius: float, sections: int = 20) -> Manifold:
    return Manifold.sphere(radius, sections)


def limb(start: Vector, end: Vector, radius: float, end_radius: float | None = None) -> Manifold:
    """The convex hull of a ball at each end: a capsule, or a taper with round ends."""
    last = radius if end_radius is None else end_radius
    return Manifold.batch_hull([ball(radius, 16).translate(start), ball(last, 16).translate(end)])


def rounded_box(size: Vector, radius: float, sections: int = 12) -> Manifold:
    """Edges rounded by at most half of the shortest side."""
    reach = min(radius, 0.499 * min(size))
    low = [side / 2 - reach for side in size]
    corners = [
        ball(reach, sections).translate((sx * low[0], sy * low[1], sz * low[2]))
        for sx in (-1, 1)
        for sy in (-1, 1)
        for sz in (-1, 1)
    ]
    return Manifold.batch_hull(corners)


def torus(major: float, minor: float, sections: int = 28, around: int = 12) -> Manifold:
    """Lying flat: its axis is +Y."""
    return revolved(CrossSection.circle(minor, around).translate((major, 0.0)), sections)


def revolved(profile: CrossSection | Float[np.ndarray, "point 2"], sections: int = 32) -> Manifold:
    """A profile of (radius, height) turned about +Y."""
    section = profile if isinstance(profile, CrossSection) else CrossSection([_turning_left(profile)])
    return section.revolve(sections).rotate((-90.0, 0.0, 0.0))


def extruded(
    outline: CrossSection, depth: float, divisions: int = 0, twist: float = 0.0, top: float = 1.0
) -> Manifold:
    """An outline in the plane of x and y given `depth` along z around 0; twist in degrees."""
    return outline.extrude(depth, divisions, twist, (top, top)).translate((0.0, 0.0, -depth / 2))


def polygon(points: Float[np.ndarray, "point 2"]) -> CrossSection:
    return CrossSection([_turning_left(points)])


def superquadric(size: Vector, roundness: tuple[float, float], sections: int = 24) -> Manifold:
    """Barr's superellipsoid (1981): exponents near 0 give boxes, 1 the ellipsoid, 2 an octahedron.

    Args:
        size: side lengths.
        roundness: exponent along the latitude and along the longitude.
    """
    north_south, east_west = roundness
    latitude = np.linspace(-np.pi / 2, np.pi / 2, sections // 2 + 1)[1:-1, None]
    longitude = np.linspace(0, 2 * np.pi, sections, endpoint=False)[None]
    ring = _signed_power(np.cos(latitude), north_south)
    height = np.broadcast_to(_signed_power(np.sin(latitude), north_south), (len(latitude), sections))
    across = ring * _signed_power(np.cos(longitude), east_west)
    along = ring * _signed_power(np.sin(longitude), east_west)
    rings = np.stack([across, height, along], axis=-1) * (np.array(size) / 2)
    poles = np.array([[0, -size[1] / 2, 0], [0, size[1] / 2, 0]])
    return skinned(rings, poles)


def tube(
    path: Float[np.ndarray, "point 3"],
    radius: float | Float[np.ndarray, " point"],
    *,
    closed: bool = False,
    sections: int = 10,
) -> Manifold:
    """A round tube along a smooth path, without twist (frames by double reflection, Wang et al. 2008).

    Args:
        path: at least three points; a closed path does not repeat its first.
        radius: one, or one a point.
    """
    ahead = np.roll(path, -1, axis=0) - np.roll(path, 1, axis=0)
    if not closed:
        ahead[0], ahead[-1] = path[1] - path[0], path[-1] - path[-2]
    tangent = ahead / np.linalg.norm(ahead, axis=1, keepdims=True).clip(1e-9)
    normal = _transported(path, tangent, closed)
    side = np.cross(tangent, normal)
    angle = np.linspace(0, 2 * np.pi, sections, endpoint=False)
    spokes = np.cos(angle)[None, :, None] * normal[:, None] + np.sin(angle)[None, :, None] * side[:, None]
    rings = path[:, None] + spokes * np.broadcast_to(radius, len(path))[:, None, None]
    return skinned(rings, None if closed else path[[0, -1]])


def skinned(rings: Float[np.ndarray, "ring point 3"], poles: Float[np.ndarray, "2 3"] | None) -> Manifold:
    """The solid behind a stack of rings: fans to the two poles close it, without them the last ring meets the
    first.

    Raises:
        ValueError: the surface is no manifold (a ring met itself).
    """
    count, around = rings.shape[:2]
    index = np.arange(count * around).reshape(count, around)
    low = index if poles is None else index[:-1]
    high = np.roll(index, -1, axis=0) if poles is None else index[1:]
    a, b = low, np.roll(low, -1, axis=1)
    c, d = np.roll(high, -1, axis=1), high
    faces = [np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)]
    vertices = rings.reshape(-1, 3)
    if poles is not None:
        first, last = index[0], index[-1]
        start, end = np.full(around, len(vertices)), np.full(around, len(vertices) + 1)
        faces.append(np.stack([np.roll(first, -1), first, start], -1))
        faces.append(np.stack([last, np.roll(last, -1), end], -1))
        vertices = np.concatenate([vertices, poles])
    triangles = np.concatenate(faces)
    corners = vertices[triangles]
    if np.einsum("fi,fi->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) < 0:
        triangles = triangles[:, ::-1]
    solid = Manifold(Mesh(vertices.astype(np.float32), np.ascontiguousarray(triangles, dtype=np.uint32)))
    if solid.status() != Error.NoError:
        raise ValueError(f"The rings do not bound a solid: {solid.status()}.")
    return solid


def spline(
    controls: Float[np.ndarray, "control dim"], count: int, *, closed: bool = False
) -> Float[np.ndarray, "point dim"]:
    """`count` points along the Catmull-Rom spline through `controls`."""
    n = len(controls)
    spans = n if closed else n - 1
    place = np.linspace(0, spans, count, endpoint=not closed)
    span = np.minimum(place.astype(np.int64), spans - 1)
    t = (place - span)[:, None]

    def control(offset: int) -> np.ndarray:
        at = span + offset
        return controls[at % n] if closed else controls[at.clip(0, n - 1)]

    p0, p1, p2, p3 = (control(offset) for offset in (-1, 0, 1, 2))
    slope, bend, jerk = p2 - p0, 2 * p0 - 5 * p1 + 4 * p2 - p3, 3 * p1 - p0 - 3 * p2 + p3
    return 0.5 * (2 * p1 + t * (slope + t * (bend + t * jerk)))


def _signed_power(values: np.ndarray, exponent: float) -> np.ndarray:
    return np.sign(values) * np.abs(values).clip(1e-6) ** exponent


def _turning_left(points: np.ndarray) -> np.ndarray:
    """Counter-clockwise, as manifold3d wants the outside of an outline."""
    after = np.roll(points, -1, axis=0)
    area = (points[:, 0] * after[:, 1] - after[:, 0] * points[:, 1]).sum()
    return points if area > 0 else points[::-1]


def _transported(path: np.ndarray, tangent: np.ndarray, closed: bool) -> np.ndarray:
    """Unit normals carried along the path with as little turning as possible."""
    across = np.cross(tangent[0], np.eye(3)[np.abs(tangent[0]).argmin()])
    normals = [across / np.linalg.norm(across)]
    following = [*range(1, len(path)), *([0] if closed else [])]
    for before, after in zip(range(len(path)), following, strict=False):
        step = path[after] - path[before]
        mirrored = _reflected(normals[-1], step)
        turned = _reflected(tangent[before], step)
        normals.append(_reflected(mirrored, tangent[after] - turned))
    if closed:  # spread over the path by what the frame misses itself after one round
        last = normals.pop()
        miss = np.arctan2(np.cross(last, normals[0]) @ tangent[0], last @ normals[0])
        share = np.linspace(0, miss, len(path), endpoint=False)[:, None]
        stacked = np.stack(normals)
        return np.cos(share) * stacked + np.sin(share) * np.cross(tangent, stacked)
    return np.stack(normals)


def _reflected(vector: np.ndarray, across: np.ndarray) -> np.ndarray:
    length = float(across @ across)
    return vector if length < 1e-16 else vector - 2 * float(across @ vector) / length * across
