"""What single-image radiance models have in common: frame the object, encode it once, query the planes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from backend.device import Placement
from backend.models.reconstructor.radiance_field import DensitySurface, RadianceField, RadianceNetwork


class PlaneNetwork(RadianceNetwork, Protocol):
    """From images to feature planes and on to densities and colours."""

    def planes(self, images: Float[Tensor, "batch 3 size size"]) -> Float[Tensor, "batch 3 channel _ _"]:
        """Images in [0, 1] on the model's own background, at its own size."""


class RadianceReconstructor(ABC):
    """Implements models.interfaces.ImageReconstructor; a model adds how it wants the object framed."""

    def __init__(
        self,
        model: PlaneNetwork,
        surface: DensitySurface,
        encoding: Sequence[nn.Module],
        parameter: Tensor,
        placement: Placement | None,
    ) -> None:
        """Without a placement the network computes where `parameter` is; with one, only its decoder must be
        on the device already, and the modules that `planes` uses, `encoding`, are brought there."""
        self.surface = surface
        self._network = model
        self._encoding = encoding
        self._placement = placement or Placement(parameter.device, parameter.dtype, resident=True)

    @torch.no_grad()
    def reconstruct(self, reference: UInt8[np.ndarray, "h w 4"]) -> RadianceField:
        """Encode the image once; queries then cost little."""
        image = self.input_image(reference)[None].to(self._placement.device, self._placement.dtype)
        with self._placement.hosting(*self._encoding):
            planes = self._network.planes(image)[0]
        return RadianceField(self._network, planes, self.surface)

    @abstractmethod
    def input_image(self, reference: UInt8[np.ndarray, "h w 4"]) -> Float[Tensor, "3 size size"]:
        """The object framed on its background, as in training."""
