"""What the normal ControlNet of Zero123++ v1.2 draws, as world-frame normals.

Its images hold view-space normals, [-1, 1] -> [0, 1], on mid-grey, which is the null vector: the length of
the vector tells object from background (Zero123++ v1.2's release notes). The axes are taken to be OpenGL's,
x right, y up, z towards the camera; the notes do not say.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from backend.device import own_precision
from backend.geometry.cameras import Cameras

FOREGROUND_LENGTH = 0.6
"""Vectors longer than this lie on the object (the authors' matting example)."""
BACKGROUND_LENGTH = 0.2
"""Vectors shorter than this lie beside it; between the two the colour views decide."""


def world_normals(
    images: Float[Tensor, "view 3 size size"], alpha: Float[Tensor, "view size size"], cameras: Cameras
) -> Float[Tensor, "view 3 size size"]:
    """Unit normals in the world frame; zero beside the object. `alpha` is the colour views'."""
    vectors = images.float() * 2 - 1
    length = vectors.norm(dim=1)
    on_object = (length > FOREGROUND_LENGTH) | ((length >= BACKGROUND_LENGTH) & (alpha > 0.5))
    rotation = cameras.camera_to_world[:, :3, :3].to(vectors)
    with own_precision(vectors.device):
        turned = torch.einsum("vij,vjhw->vihw", rotation, vectors)
    return normalize(turned, dim=1) * on_object[:, None]
