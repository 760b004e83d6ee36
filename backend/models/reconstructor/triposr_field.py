"""TripoSR behind the pipeline's interface."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from backend.device import Placement
from backend.geometry.axes import Z_UP_CAMERA_ON_X
from backend.geometry.density_surface import TORCHMCUBES_AXES
from backend.models.layers.pixels import composite_grey, frame_foreground
from backend.models.reconstructor.radiance_field import DensitySurface, RadianceField, placed
from backend.models.reconstructor.triposr import BACKGROUND, TripoSR, resize_input

FILL = 0.85
"""Of the input's side, by the object's longer side."""
THRESHOLD = 25.0
GRID = 256
"""Grid vertices along each side."""


class TripoSRReconstructor:
    """See `TripoSR`; implements models.interfaces.ImageReconstructor."""

    def __init__(
        self,
        model: TripoSR,
        grid: int = GRID,
        placement: Placement | None = None,
        threshold: float = THRESHOLD,
    ) -> None:
        """Without a placement the network computes where it is; with one, only its decoder must be on the
        device already."""
        self._model = model
        self._placement = placement or placed(model.tokens)
        self.surface = DensitySurface(
            threshold, grid, model.config.radius, Z_UP_CAMERA_ON_X, TORCHMCUBES_AXES
        )

    @torch.no_grad()
    def reconstruct(self, reference: UInt8[np.ndarray, "h w 4"]) -> RadianceField:
        """Encode the image once; queries then cost little."""
        placement, model = self._placement, self._model
        image = self.input_image(reference)[None].to(placement.device, placement.dtype)
        with placement.hosting(model.encoder, model.backbone, model.upsample):
            planes = model.planes(image)[0]
        return RadianceField(model, planes, self.surface)

    def input_image(self, reference: UInt8[np.ndarray, "h w 4"]) -> Float[Tensor, "3 size size"]:
        """The object framed on grey, as in training."""
        flat = composite_grey(frame_foreground(reference, FILL), BACKGROUND)
        image = torch.from_numpy(flat).permute(2, 0, 1)[None] / 255
        return resize_input(image, self._model.config.image_size)[0]
