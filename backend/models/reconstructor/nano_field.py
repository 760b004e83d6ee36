"""The voxel reconstructor behind the pipeline's interface: views in, a field of single points out."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from backend.models.interfaces import PointValues
from backend.models.reconstructor.nano_voxel import HALF_EXTENT, NanoVoxelReconstructor, VoxelLatent

CARVING_MARGIN = 0.005
"""Depth is believed up to this, model units: a quarter of a 64-pixel view's pixel."""


class NanoField:
    """One reconstructed object."""

    half_extent = 1.1 * HALF_EXTENT
    """A margin around the volume, so that surfaces on its border are not cut open."""

    def __init__(self, net: NanoVoxelReconstructor, latent: VoxelLatent) -> None:
        self._net = net
        self._latent = latent

    def sdf(self, points: Float[Tensor, "point 3"]) -> Float[Tensor, " point"]:
        """Signed distance in model units, negative inside."""
        return self.sample(points).sdf

    @torch.no_grad()
    def sample(self, points: Float[Tensor, "point 3"]) -> PointValues:
        """All values, on the field's own device; what a view looks through is outside."""
        device = self._latent.volume.device
        values = self._net.decode(self._latent, points.to(device)[None])
        sdf = torch.maximum(values.sdf, values.clearance - CARVING_MARGIN)
        return PointValues(sdf[0], values.albedo[0], values.roughness[0], values.metallic[0])


class NanoReconstructor:
    """See `NanoVoxelReconstructor`."""

    def __init__(self, net: NanoVoxelReconstructor) -> None:
        self._net = net

    @torch.no_grad()
    def reconstruct(
        self,
        rgba: Float[Tensor, "view 4 size size"],
        normals: Float[Tensor, "view 3 size size"],
        depth: Float[Tensor, "view size size"] | None,
    ) -> NanoField:
        """Encode the six views once; queries then cost little."""
        latent = self._net(rgba[None], normals[None], None if depth is None else depth[None])
        return NanoField(self._net, latent)
