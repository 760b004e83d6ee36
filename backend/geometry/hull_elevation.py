"""The elevation from which a reference image was taken, by the silhouette of a visual hull.

Zero123++ draws its views at absolute elevations and does not say where the reference stood. The hull of the
views' masks (Laurentini 1994) seen from azimuth 0 has the reference's outline at the right elevation only.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from backend.errors import EmptySurfaceError
from backend.geometry.cameras import Cameras, orbit_cameras

LOWEST, HIGHEST, STEP = -30.0, 75.0, 5.0
"""Degrees that are tried."""
USUAL, SPREAD, PRIOR_WEIGHT = 15.0, 25.0, 0.005
"""Degrees at which pictures are usually taken, their deviation, and the overlap that one deviation costs: it
decides for objects that look the same from everywhere."""
GRID = 72
"""Points along each side of the hull's grid."""
OUTLINE = 48
"""Side of the outlines compared, pixels: about a grid point each."""


def estimate_elevation(
    reference_alpha: Float[Tensor, "height width"],
    view_alpha: Float[Tensor, "view size size"],
    cameras: Cameras,
) -> float:
    """Degrees above the horizon.

    Raises EmptySurfaceError where the views' masks have no common object.
    """
    cameras = cameras.to("cpu")
    points = _hull(view_alpha.detach().float().cpu(), cameras)
    rows, columns = (reference_alpha.detach().cpu() > 0.5).nonzero(as_tuple=True)
    if len(rows) == 0:
        return USUAL
    wanted = _outline(torch.stack([columns, -rows], dim=-1).float())
    angles = torch.arange(LOWEST, HIGHEST + STEP / 2, STEP)
    distance = float(cameras.positions.norm(dim=-1).mean())
    around = orbit_cameras([0.0] * len(angles), angles.tolist(), distance)
    seen = around.project(points)[0]
    overlaps = torch.stack([_overlap(_outline(one), wanted) for one in seen])
    score = overlaps - PRIOR_WEIGHT * ((angles - USUAL) / SPREAD) ** 2
    return _peak(angles, score)


def _hull(alpha: Float[Tensor, "view size size"], cameras: Cameras) -> Float[Tensor, "point 3"]:
    """Grid points that every view sees inside its mask."""
    reach = float((cameras.positions.norm(dim=-1) / cameras.focal).mean())
    ticks = torch.linspace(-reach, reach, GRID)
    points = torch.cartesian_prod(ticks, ticks, ticks)
    ndc = cameras.project(points)[0]
    sampled = functional.grid_sample(
        alpha[:, None], (ndc * ndc.new_tensor([1, -1]))[:, None], align_corners=False
    )
    inside = (sampled[:, 0, 0] > 0.5).all(dim=0)
    if not inside.any():
        raise EmptySurfaceError(
            "The six generated views show no common object. Try another seed, or an image in which the "
            "object stands out and fills more of the frame."
        )
    return points[inside]


def _outline(positions: Float[Tensor, "point 2"]) -> Bool[Tensor, "side side"]:
    """The filled shape of the points, its box centred and its longer side spanning the image."""
    lowest, highest = positions.amin(dim=0), positions.amax(dim=0)
    scale = (OUTLINE - 3) / (highest - lowest).max().clamp_min(1e-6)
    pixels = ((positions - (lowest + highest) / 2) * scale + (OUTLINE - 1) / 2).round().long()
    mask = torch.zeros(OUTLINE, OUTLINE)
    mask[pixels[:, 1], pixels[:, 0]] = 1
    # Closing: the points lie about a pixel apart.
    grown = functional.max_pool2d(mask[None], 3, stride=1, padding=1)
    return -functional.max_pool2d(-grown, 3, stride=1, padding=1)[0] > 0.5


def _overlap(a: Bool[Tensor, "side side"], b: Bool[Tensor, "side side"]) -> Float[Tensor, ""]:
    return (a & b).sum() / (a | b).sum()


def _peak(angles: Float[Tensor, " angle"], score: Float[Tensor, " angle"]) -> float:
    """The best angle, between the samples by the parabola through it and its neighbours."""
    best = int(score.argmax())
    if best in (0, len(angles) - 1):
        return float(angles[best])
    before, at, after = (float(score[best + k]) for k in (-1, 0, 1))
    curvature = before - 2 * at + after
    shift = 0.5 * (before - after) / curvature if not math.isclose(curvature, 0) else 0.0
    return float(angles[best]) + STEP * shift
