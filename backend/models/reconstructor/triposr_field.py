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
from backend.models.reconstructor.radiance_field import DensitySurface
from backend.models.reconstructor.radiance_reconstructor import RadianceReconstructor
from backend.models.reconstructor.triposr import BACKGROUND, TripoSR, resize_input

FILL = 0.85
"""Of the input's side, by the object's longer side."""
THRESHOLD = 25.0
GRID = 256
"""Grid vertices along each side."""


class TripoSRReconstructor(RadianceReconstructor):
    """See `TripoSR`."""

    def __init__(
        self,
        model: TripoSR,
        grid: int = GRID,
        placement: Placement | None = None,
        threshold: float = THRESHOLD,
    ) -> None:
        """As `RadianceReconstructor`."""
        surface = DensitySurface(threshold, grid, model.config.radius, Z_UP_CAMERA_ON_X, TORCHMCUBES_AXES)
        encoding = (model.encoder, model.backbone, model.upsample)
        super().__init__(model, surface, encoding, model.tokens, placement)
        self._image_size = model.config.image_size

    def input_image(self, reference: UInt8[np.ndarray, "h w 4"]) -> Float[Tensor, "3 size size"]:
        """The object framed on grey, as in training."""
        flat = composite_grey(frame_foreground(reference, FILL), BACKGROUND)
        image = torch.from_numpy(flat).permute(2, 0, 1)[None] / 255
        return resize_input(image, self._image_size)[0]
