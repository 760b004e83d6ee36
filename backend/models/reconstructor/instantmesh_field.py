"""InstantMesh behind the pipeline's interface, in Bozzetto's frame.

InstantMesh's world is z up with the reference camera on +x; Bozzetto's is y up with it on +z. The change of
frame (x, y, z) -> (y, z, x) is a rotation, so nothing is mirrored.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from backend.device import Placement, own_precision
from backend.geometry.cameras import Cameras, six_view_cameras
from backend.models.interfaces import OnFraction, PointValues
from backend.models.reconstructor.instantmesh import InstantMesh, resize_views
from backend.models.reconstructor.instantmesh_surface import closed_at_border, mesh_of_grid, sdf_grid

CAMERA_DISTANCE = 4.0
"""Of the six views, in model units."""


def from_model_frame(points: Float[Tensor, "*shape 3"]) -> Float[Tensor, "*shape 3"]:
    """InstantMesh's axes to Bozzetto's."""
    return points[..., [1, 2, 0]]


def to_model_frame(points: Float[Tensor, "*shape 3"]) -> Float[Tensor, "*shape 3"]:
    """Bozzetto's axes to InstantMesh's."""
    return points[..., [2, 0, 1]]


def camera_vectors(cameras: Cameras) -> Float[Tensor, "view 16"]:
    """What the encoder is modulated with: camera to world (3 x 4, by rows), then fx, fy, cx, cy.

    Focal lengths and centre are in image sizes, the centre from the top left corner.
    """
    rows = cameras.camera_to_world[:, :3].transpose(1, 2)
    extrinsics = to_model_frame(rows).transpose(1, 2).flatten(1)
    focal = cameras.focal[:, None] / 2
    centre = 0.5 + cameras.centre * cameras.centre.new_tensor([0.5, -0.5])
    return torch.cat([extrinsics, focal, focal, centre], dim=-1)


class InstantMeshField:
    """One reconstructed object; its values are float32 whatever made the planes."""

    def __init__(self, model: InstantMesh, planes: Float[Tensor, "3 channel size size"]) -> None:
        self.half_extent = model.config.grid_size / 2
        self._model = model
        self._planes = planes

    @torch.no_grad()
    def sdf(self, points: Float[Tensor, "point 3"]) -> Float[Tensor, " point"]:
        """Negative inside; its zero set is the surface, but it was never trained to be a true distance."""
        with own_precision(points.device):
            return self._model.sdf(self._planes, to_model_frame(points))

    @torch.no_grad()
    def albedo(self, points: Float[Tensor, "point 3"]) -> Float[Tensor, "point 3"]:
        """sRGB in [0, 1], as lit in the views."""
        with own_precision(points.device):
            return self._model.rgb(self._planes, to_model_frame(points)).clamp(0, 1)

    def sample(self, points: Float[Tensor, "point 3"]) -> PointValues:
        """Values at points; the public weights know no materials."""
        return PointValues(self.sdf(points), self.albedo(points), roughness=None, metallic=None)

    @torch.no_grad()
    def surface(self, on_fraction: OnFraction) -> tuple[Float[Tensor, "vertex 3"], Int[Tensor, "face 3"]]:
        """FlexiCubes with the network's own vertices and weights, on the grid that it was trained with.

        An object that reaches the grid's border is closed there. Raises EmptySurfaceError without a surface.
        """
        with own_precision(self._planes.device):
            sdf = sdf_grid(self._model, self._planes, on_fraction)
            cell = self._model.config.grid_size / self._model.config.grid_cells
            vertices, faces = mesh_of_grid(self._model, self._planes, closed_at_border(sdf, cell))
        return from_model_frame(vertices), faces


class InstantMeshReconstructor:
    """See `InstantMesh`. Normals and depth are not looked at: the public weights take colours only."""

    def __init__(self, model: InstantMesh, placement: Placement | None = None) -> None:
        """Without a placement the network computes where it is; with one, only its decoder must be on the
        device already."""
        self._model = model
        here = model.transformer.position_embedding
        self._placement = placement or Placement(here.device, here.dtype, resident=True)

    @torch.no_grad()
    def reconstruct(
        self,
        rgba: Float[Tensor, "view 4 size size"],
        normals: Float[Tensor, "view 3 size size"],
        depth: Float[Tensor, "view size size"] | None,
    ) -> InstantMeshField:
        """Encode the six views once."""
        on_white = rgba[:, :3] * rgba[:, 3:] + (1 - rgba[:, 3:])
        views = resize_views(on_white.float(), self._model.config.image_size)
        cameras = camera_vectors(six_view_cameras(CAMERA_DISTANCE))
        placement = self._placement
        with placement.hosting(self._model.encoder, self._model.transformer):
            planes = self._model.planes(views[None].to(placement.device), cameras[None].to(placement.device))
        return InstantMeshField(self._model, planes[0])
