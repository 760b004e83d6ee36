"""The draft of the six views: what the object-coordinate net knows of the object, drawn from each camera."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from backend.geometry.cameras import Cameras
from backend.geometry.point_cloud import column_points, splat
from backend.models.layers.pixels import shrink
from backend.models.multiview.coordinate_net import CoordinateNet, ObjectCoordinates, see_twice


@dataclass(frozen=True)
class Draft:
    """Batched; see `geometry/point_cloud.py`."""

    reference: Float[Tensor, "batch 4 h w"]
    """The reference image at the views' resolution."""
    front: Float[Tensor, "batch 3 h w"]
    """Object coordinates of its pixels: of the first surface behind each, ..."""
    back: Float[Tensor, "batch 3 h w"]
    """... and of the last."""
    rgba: Float[Tensor, "batch 6 4 h w"]
    positions: Float[Tensor, "batch 6 3 h w"]
    """World position seen by each covered pixel; zero elsewhere."""
    normals: Float[Tensor, "batch 6 3 h w"]
    depth: Float[Tensor, "batch 6 h w"]
    elevation: Float[Tensor, " batch"]
    """Of the reference view, degrees."""


class Draftsman:
    """Drafts one reference image after the other; the views' and the normals' model ask for the same one."""

    def __init__(self, net: CoordinateNet, cameras: Cameras) -> None:
        self.net = net
        self._cameras = cameras
        self._last: tuple[Tensor, Draft] | None = None

    def __call__(self, reference: Float[Tensor, "4 2*h 2*w"]) -> Draft:
        """The draft, in a batch of one, from what the net sees in the image and in its mirror image."""
        if self._last is None or not torch.equal(self._last[0], reference):
            draft = draft_views(partial(see_twice, self.net), reference[None], self._cameras)
            self._last = reference.clone(), draft
        return self._last[1]


@torch.no_grad()
def draft_views(
    see: Callable[[Tensor], ObjectCoordinates],
    reference: Float[Tensor, "batch 4 2*h 2*w"],
    cameras: Cameras,
) -> Draft:
    """Let `see` predict object coordinates for each reference image and splat them into `cameras`."""
    coordinates = see(reference)
    front, back = coordinates.upright()
    size = front.shape[-1]
    small = shrink(reference, size)
    images, positions = [], []
    for k in range(len(reference)):
        points, colours = column_points(front[k], back[k], small[k, :3], small[k, 3] > 0.5)
        image, position = splat(points, colours, cameras.to(reference.device), size)
        images.append(image)
        positions.append(position)
    rgba, seen = torch.stack(images), torch.stack(positions)
    alpha = rgba[:, :, 3]
    to_camera = cameras.world_to_camera.to(reference.device)
    depth = -(torch.einsum("vj,bvjhw->bvhw", to_camera[:, 2, :3], seen) + to_camera[:, 2, 3, None, None])
    return Draft(
        small,
        front,
        back,
        rgba,
        seen,
        _normals_of(seen, alpha, cameras.to(reference.device)),
        depth * alpha,
        coordinates.elevation,
    )


def _normals_of(
    positions: Float[Tensor, "batch 6 3 h w"], alpha: Float[Tensor, "batch 6 h w"], cameras: Cameras
) -> Float[Tensor, "batch 6 3 h w"]:
    """Unit normals towards the camera, from differences of positions smoothed under their coverage."""
    batch = positions.shape[0]
    flat = rearrange(torch.cat([positions, alpha[:, :, None]], dim=2), "b v c h w -> (b v) c h w")
    blurred = functional.avg_pool2d(flat, 5, stride=1, padding=2)
    smooth = blurred[:, :3] / blurred[:, 3:].clamp_min(1e-3)
    padded = functional.pad(smooth, (1, 1, 1, 1), mode="replicate")
    right = padded[:, :, 1:-1, 2:] - padded[:, :, 1:-1, :-2]
    down = padded[:, :, 2:, 1:-1] - padded[:, :, :-2, 1:-1]
    normals = functional.normalize(torch.cross(down, right, dim=1), dim=1)
    normals = rearrange(normals, "(b v) c h w -> b v c h w", b=batch)
    towards = functional.normalize(cameras.positions[None, :, :, None, None] - positions, dim=2)
    facing = (normals * towards).sum(2, keepdim=True)
    return torch.where(facing < 0, -normals, normals) * alpha[:, :, None]
