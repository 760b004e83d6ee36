"""Pinhole cameras in Bozzetto's frame: right-handed, +Y up, the reference camera at azimuth 0 on +Z.

Camera axes are OpenGL's (x right, y up, z backward). Azimuth grows towards +X, that is counter-clockwise
seen from above. Images are square; normalised device coordinates (NDC) run from -1 to 1, x right, y up.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

VIEW_AZIMUTHS = (30.0, 90.0, 150.0, 210.0, 270.0, 330.0)
"""Degrees from the reference view (Zero123++ v1.2)."""
VIEW_ELEVATIONS = (20.0, -10.0, 20.0, -10.0, 20.0, -10.0)
"""Degrees above the horizon, absolute (Zero123++ v1.2)."""
VIEW_FOV_DEGREES = 30.0


@dataclass(frozen=True)
class Cameras:
    """A batch of pinhole cameras over square images."""

    camera_to_world: Float[Tensor, "view 4 4"]
    focal: Float[Tensor, " view"]
    """Focal length in half image heights: 1 / tan(fov / 2)."""
    centre: Float[Tensor, "view 2"]
    """NDC at which the optical axis meets the image; zero for a centred camera."""

    def __len__(self) -> int:
        return self.camera_to_world.shape[0]

    def __getitem__(self, index: slice | Sequence[int]) -> Cameras:
        picked = list(range(len(self))[index]) if isinstance(index, slice) else list(index)
        return Cameras(self.camera_to_world[picked], self.focal[picked], self.centre[picked])

    def to(self, device: torch.device | str) -> Cameras:
        return Cameras(self.camera_to_world.to(device), self.focal.to(device), self.centre.to(device))

    @property
    def positions(self) -> Float[Tensor, "view 3"]:
        return self.camera_to_world[:, :3, 3]

    @property
    def world_to_camera(self) -> Float[Tensor, "view 4 4"]:
        return torch.linalg.inv(self.camera_to_world)

    def project(
        self, points: Float[Tensor, "point 3"]
    ) -> tuple[Float[Tensor, "view point 2"], Float[Tensor, "view point"]]:
        """World points to NDC and to depth, the distance along the viewing axis (positive in front)."""
        to_camera = self.world_to_camera
        with _full_precision(points):
            in_camera = torch.einsum("vij,pj->vpi", to_camera[:, :3, :3], points) + to_camera[:, None, :3, 3]
        depth = -in_camera[..., 2]
        ndc = in_camera[..., :2] * self.focal[:, None, None] / depth.clamp_min(1e-6)[..., None]
        return ndc + self.centre[:, None, :], depth

    def unproject(
        self, ndc: Float[Tensor, "view point 2"], depth: Float[Tensor, "view point"]
    ) -> Float[Tensor, "view point 3"]:
        """World points seen at `ndc` at `depth` along the viewing axis: the inverse of `project`."""
        plane = (ndc - self.centre[:, None, :]) / self.focal[:, None, None]
        local = torch.cat([plane, -torch.ones_like(plane[..., :1])], dim=-1) * depth[..., None]
        with _full_precision(local):
            turned = torch.einsum("vij,vpj->vpi", self.camera_to_world[:, :3, :3], local)
        return turned + self.positions[:, None, :]

    def rays(self, size: int) -> tuple[Float[Tensor, "view size size 3"], Float[Tensor, "view size size 3"]]:
        """Origin and unit direction of the ray through each pixel centre, rows from the top."""
        steps = (torch.arange(size, device=self.focal.device, dtype=torch.float32) + 0.5) / size * 2 - 1
        x, y = torch.meshgrid(steps, -steps, indexing="xy")
        ndc = torch.stack([x, y], dim=-1)[None] - self.centre[:, None, None, :]
        local = torch.cat([ndc / self.focal[:, None, None, None], -torch.ones_like(ndc[..., :1])], dim=-1)
        with _full_precision(local):
            directions = torch.einsum("vij,vhwj->vhwi", self.camera_to_world[:, :3, :3], local)
        directions = torch.nn.functional.normalize(directions, dim=-1)
        return self.positions[:, None, None, :].expand_as(directions), directions


def _full_precision(tensor: Tensor) -> torch.autocast:
    """Pixels need more than bfloat16's eight bits, whatever the networks around a projection run in."""
    return torch.autocast(tensor.device.type, enabled=False)


def focal_from_fov(fov_degrees: float) -> float:
    """Focal length in half image heights of a vertical field of view in degrees."""
    return 1.0 / math.tan(math.radians(fov_degrees) / 2)


def orbit_cameras(
    azimuths: Sequence[float],
    elevations: Sequence[float],
    distance: float | Sequence[float],
    fov_degrees: float | Sequence[float] = VIEW_FOV_DEGREES,
    centre: Sequence[float] = (0.0, 0.0),
) -> Cameras:
    """Cameras on a sphere around the origin, looking at it with +Y up. Angles in degrees."""
    count = len(azimuths)
    distances = [distance] * count if isinstance(distance, int | float) else list(distance)
    fovs = [fov_degrees] * count if isinstance(fov_degrees, int | float) else list(fov_degrees)
    matrices = []
    for azimuth, elevation, metres in zip(azimuths, elevations, distances, strict=True):
        a, e = math.radians(azimuth), math.radians(elevation)
        right = (math.cos(a), 0.0, -math.sin(a))
        backward = (math.sin(a) * math.cos(e), math.sin(e), math.cos(a) * math.cos(e))
        up = (-math.sin(a) * math.sin(e), math.cos(e), -math.cos(a) * math.sin(e))
        columns = [right, up, backward, tuple(metres * c for c in backward)]
        matrices.append([[c[row] for c in columns] for row in range(3)] + [[0.0, 0.0, 0.0, 1.0]])
    return Cameras(
        torch.tensor(matrices, dtype=torch.float32),
        torch.tensor([focal_from_fov(f) for f in fovs], dtype=torch.float32),
        torch.tensor([list(centre)] * count, dtype=torch.float32),
    )


def six_view_cameras(distance: float) -> Cameras:
    """The six generated views' cameras (Zero123++ v1.2 layout)."""
    return orbit_cameras(VIEW_AZIMUTHS, VIEW_ELEVATIONS, distance)


def moved_cameras(cameras: Cameras, scale: float, offset: Float32[np.ndarray, " 3"]) -> Cameras:
    """The same pictures of the object brought to (position - offset) / scale."""
    poses = cameras.camera_to_world.clone()
    poses[:, :3, 3] = (poses[:, :3, 3] - torch.from_numpy(offset)) / scale
    return Cameras(poses, cameras.focal, cameras.centre)
