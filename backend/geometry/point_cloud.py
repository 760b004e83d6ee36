"""A coloured point cloud from an object-coordinate map, seen from other cameras.

The map gives each pixel of the reference image the position of the first and of the last surface behind it.
The column between the two is filled with points, and the cloud is splatted into the views to be generated: a
rough but exactly placed draft, which the view model then only has to correct. The near half has the colours
of its pixels, the far half those of what it mirrors: a stripe goes round at one height, though the camera
looks down on it.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from backend.geometry.cameras import Cameras

_COLUMN_POINTS = 6
_DEPTH_STEPS = 1 << 20
_NEIGHBOURS = 24
"""Front points whose mean is the colour of a hidden one."""
_DEPTH_WEIGHT = 0.2
"""Of the distance along the depth axis, in the search for them: height and side tell more of the colour."""
_SEARCHED = 4096
"""Hidden points at a time: what that takes is a matrix of so many rows, and a column a pixel."""


def column_points(
    front: Float[Tensor, "3 h w"],
    back: Float[Tensor, "3 h w"],
    rgb: Float[Tensor, "3 h w"],
    mask: Bool[Tensor, "h w"],
) -> tuple[Float[Tensor, "point 3"], Float[Tensor, "point 3"]]:
    """Positions and colours of points evenly spaced from the front surface to the back one.

    The map is upright and has the camera at azimuth 0: the third axis is negative in the far half.
    """
    blend = torch.linspace(0, 1, _COLUMN_POINTS, device=front.device)[:, None, None]
    near, far = front[:, mask].T, back[:, mask].T
    points = (near[None] + blend * (far - near)[None]).reshape(-1, 3)
    seen = rgb[:, mask].T
    hidden = points[:, 2] < 0
    colours = seen.repeat(_COLUMN_POINTS, 1)
    colours[hidden] = _mirrored_colours(points[hidden], near, seen)
    return points, colours


def _mirrored_colours(
    points: Float[Tensor, "point 3"], near: Float[Tensor, "pixel 3"], seen: Float[Tensor, "pixel 3"]
) -> Float[Tensor, "point 3"]:
    """What is seen around the mirror images of `points` in the upright plane that faces the camera."""
    weights = near.new_tensor([1.0, 1.0, _DEPTH_WEIGHT])
    mirrored = points * near.new_tensor([1.0, 1.0, -1.0]) * weights
    return torch.cat([_local_mean(part, near * weights, seen) for part in mirrored.split(_SEARCHED)])


def _local_mean(
    points: Float[Tensor, "point 3"], places: Float[Tensor, "place 3"], values: Float[Tensor, "place c"]
) -> Float[Tensor, "point c"]:
    """Mean over the nearest places, which falls by exp(-2) to the farthest of them."""
    distance, nearest = torch.cdist(points, places).topk(min(_NEIGHBOURS, len(places)), largest=False)
    weight = torch.exp(-2 * (distance / distance[:, -1:].clamp_min(1e-6)).square())
    return (values[nearest] * weight[..., None]).sum(1) / weight.sum(1, keepdim=True)


def splat(
    points: Float[Tensor, "point 3"], colours: Float[Tensor, "point 3"], cameras: Cameras, size: int
) -> tuple[Float[Tensor, "view 4 size size"], Float[Tensor, "view 3 size size"]]:
    """Draw each point over 2 x 2 pixels with a depth test.

    Returns:
        RGBA images and, for each covered pixel, the position of the point seen there (zero elsewhere).
    """
    views = len(cameras)
    rgba = torch.zeros(views, 4, size, size, device=points.device)
    positions = torch.zeros(views, 3, size, size, device=points.device)
    if len(points) == 0:
        return rgba, positions
    ndc, depth = cameras.project(points)
    column = ((ndc[..., 0] + 1) / 2 * size - 0.5).floor().long()
    row = ((1 - ndc[..., 1]) / 2 * size - 0.5).floor().long()
    nearest, farthest = float(depth.min()), float(depth.max())
    rank = ((depth - nearest) / max(farthest - nearest, 1e-6) * (_DEPTH_STEPS - 1)).long()
    # Depth in the high bits and the point's number in the low ones: a plain minimum is a depth test.
    key = rank * len(points) + torch.arange(len(points), device=points.device)
    view = torch.arange(views, device=points.device)[:, None]
    empty = torch.iinfo(torch.int64).max
    buffer = torch.full((views * size * size,), empty, dtype=torch.int64, device=points.device)
    for dy in (0, 1):
        for dx in (0, 1):
            x, y = column + dx, row + dy
            inside = (x >= 0) & (x < size) & (y >= 0) & (y < size) & (depth > 0)
            target = ((view * size + y) * size + x)[inside]
            buffer.scatter_reduce_(0, target, key[inside], "amin")
    covered = (buffer != empty).reshape(views, size, size)
    winner = (buffer % len(points)).reshape(views, size, size)[covered]
    rgba.permute(0, 2, 3, 1)[covered] = torch.cat([colours[winner], torch.ones_like(colours[winner, :1])], 1)
    positions.permute(0, 2, 3, 1)[covered] = points[winner]
    return rgba, positions
