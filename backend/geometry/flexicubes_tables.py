"""The cases of dual marching cubes, derived from its definition.

A cube's corners are inside or outside: 256 cases. On each face the crossed edges are joined in pairs; where
all four edges of a face are crossed, each *inside* corner is cut off by itself. Edges joined through faces
form one patch of the surface, and each patch has one dual vertex (Nielson, "Dual Marching Cubes", 2004).

Two cubes that share such an ambiguous face, and in both of which its four edges belong to one patch, would
make a non-manifold edge. Both then take the complementary case, which cuts the face the other way (cases
C16 and C19; Wenger, "Isosurfaces", 2013).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import combinations

import torch
from jaxtyping import Int
from torch import Tensor

CORNERS = tuple((k & 1, k >> 1 & 1, k >> 2 & 1) for k in range(8))
"""Corner offsets, x fastest. Bit k of a case says that corner k is inside."""
EDGES = ((0, 1), (1, 5), (4, 5), (0, 4), (2, 3), (3, 7), (6, 7), (2, 6), (2, 0), (3, 1), (7, 5), (6, 4))
"""Edges as corner pairs, numbered as the public weights' twelve edge parameters are; those along y run
downwards, so that the surface around every edge turns the same way."""
EDGE_AXES = tuple(next(axis for axis in range(3) if CORNERS[a][axis] != CORNERS[b][axis]) for a, b in EDGES)
EDGE_STARTS = tuple(min(pair, key=lambda corner: sum(CORNERS[corner])) for pair in EDGES)
"""The corner of each edge with the smaller coordinate."""

_FACES = tuple(
    (axis, side, tuple(k for k in range(8) if CORNERS[k][axis] == side))
    for axis in range(3)
    for side in (0, 1)
)


@dataclass(frozen=True)
class DualMarchingCubesTables:
    """What every case means, as tensors to be indexed by cases."""

    patch: Int[Tensor, "256 12"]
    """For each edge the patch that it belongs to; -1 where the surface does not cross it."""
    patches: Int[Tensor, " 256"]
    """How many patches, hence dual vertices: at most four."""
    towards: Int[Tensor, "256 3"]
    """Step to the neighbour across an ambiguous face whose four edges share a patch; zero without one."""


@cache
def dual_marching_cubes_tables() -> DualMarchingCubesTables:
    """The tables, on the CPU."""
    patch = torch.full((256, 12), -1)
    patches = torch.zeros(256, dtype=torch.long)
    towards = torch.zeros(256, 3, dtype=torch.long)
    for case in range(256):
        joined, ambiguous = _patches(case)
        patches[case] = len(joined)
        for index, edges in enumerate(joined):
            patch[case, sorted(edges)] = index
        for axis, side, edges in ambiguous:
            if any(edges <= group for group in joined):
                towards[case, axis] = 2 * side - 1
    return DualMarchingCubesTables(patch, patches, towards)


def _patches(case: int) -> tuple[list[set[int]], list[tuple[int, int, set[int]]]]:
    """Edges of each patch; and the ambiguous faces as (axis, side, their edges)."""
    crossed = {index for index, (a, b) in enumerate(EDGES) if (case >> a & 1) != (case >> b & 1)}
    groups = [{edge} for edge in sorted(crossed)]
    ambiguous = []
    for axis, side, corners in _FACES:
        on_face = crossed & _edges_among(corners)
        if len(on_face) == 4:
            ambiguous.append((axis, side, on_face))
            inside = [corner for corner in corners if case >> corner & 1]
            segments = [{edge for edge in on_face if corner in EDGES[edge]} for corner in inside]
        else:
            segments = [on_face]
        for segment in segments:
            groups = _merge(groups, segment)
    return groups, ambiguous


def _edges_among(corners: tuple[int, ...]) -> set[int]:
    pairs = {frozenset(pair) for pair in combinations(corners, 2)}
    return {index for index, edge in enumerate(EDGES) if frozenset(edge) in pairs}


def _merge(groups: list[set[int]], segment: set[int]) -> list[set[int]]:
    touched = [group for group in groups if group & segment]
    if len(touched) < 2:
        return groups
    return [group for group in groups if not group & segment] + [set().union(*touched)]
