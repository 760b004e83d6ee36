"""OpenLRM behind the pipeline's interface."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from backend.device import Placement
from backend.geometry.axes import Z_UP_CAMERA_ON_MINUS_Y
from backend.geometry.density_surface import AXES
from backend.models.layers.pixels import centre_object
from backend.models.reconstructor.openlrm import OpenLRM, resize_input
from backend.models.reconstructor.radiance_field import DensitySurface
from backend.models.reconstructor.radiance_reconstructor import RadianceReconstructor

SIDE = 512
"""Of the square in which the object is centred before it is resized for the encoder, pixels."""
FILL = 0.8
"""Of that side, by the object's longer side."""
THRESHOLD = 3.0
GRID = 384
"""Grid vertices along each side."""
HALF_EXTENT = 1.0
"""Of the cube that the planes span."""


class OpenLRMReconstructor(RadianceReconstructor):
    """See `OpenLRM`."""

    def __init__(
        self,
        model: OpenLRM,
        grid: int = GRID,
        placement: Placement | None = None,
        threshold: float = THRESHOLD,
    ) -> None:
        """As `RadianceReconstructor`."""
        surface = DensitySurface(threshold, grid, HALF_EXTENT, Z_UP_CAMERA_ON_MINUS_Y, AXES)
        encoding = (model.encoder, model.camera_embedding, model.transformer)
        super().__init__(model, surface, encoding, model.encoder.class_token, placement)
        self._image_size = model.config.image_size

    def input_image(self, reference: UInt8[np.ndarray, "h w 4"]) -> Float[Tensor, "3 size size"]:
        """The object framed on white, as in training."""
        framed = torch.from_numpy(centre_object(reference, SIDE, FILL)).permute(2, 0, 1) / 255
        on_white = framed[:3] * framed[3:] + (1 - framed[3:])
        return resize_input(on_white[None], self._image_size)[0]
