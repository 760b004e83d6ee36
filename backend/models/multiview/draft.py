"""The draft of the six views: what the object-coordinate net knows of the object, drawn from each camera."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from backend.geometry.cameras import Cameras
from backend.geometry.point_cloud import column_points, elevation_from_coordinates, splat
from backend.models.multiview.coordinate_net import CoordinateNet


@dataclass(frozen=True)
class Draft:
    """Batched; see `geometry/point_cloud.py`."""

    front: Float[Tensor, "batch 3 h w"]
    """Object coordinates of the reference's pixels."""
    rgba: Float[Tensor, "batch 6 4 h w"]
    positions: Float[Tensor, "batch 6 3 h w"]
    elevation: Float[Tensor, " batch"]
    """Of the reference view, degrees."""


@torch.no_grad()
def draft_views(net: CoordinateNet, reference: Float[Tensor, "batch 4 h w"], cameras: Cameras) -> Draft:
    """Predict object coordinates for each reference image and splat them into `cameras`."""
    front, back = (surface.float() for surface in net(reference))
    size = reference.shape[-1]
    images, positions, elevations = [], [], []
    for k in range(len(reference)):
        mask = reference[k, 3] > 0.5
        points, colours = column_points(front[k], back[k], reference[k, :3], mask)
        image, position = splat(points, colours, cameras.to(reference.device), size)
        images.append(image)
        positions.append(position)
        elevations.append(elevation_from_coordinates(front[k], mask)[0])
    return Draft(
        front,
        torch.stack(images),
        torch.stack(positions),
        torch.tensor(elevations, dtype=torch.float32, device=reference.device).clamp(-30, 80),
    )
