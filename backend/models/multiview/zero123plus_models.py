"""Zero123++ and its normal ControlNet behind the pipeline's interfaces."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from diffusers.models.controlnets.controlnet import ControlNetModel
from jaxtyping import Float, UInt8
from torch import Tensor

from backend.geometry.cameras import Cameras, six_view_cameras
from backend.geometry.hull_elevation import estimate_elevation
from backend.models.interfaces import GeneratedViews, OnStep
from backend.models.multiview.backing import cut_out, put_back
from backend.models.multiview.zero123plus import Control, Zero123Plus, join_grid, split_grid
from backend.models.multiview.zero123plus_normals import world_normals

LATENT_COLOURS = (
    (0.298, 0.207, 0.208),
    (0.187, 0.286, 0.173),
    (-0.158, 0.189, 0.264),
    (-0.184, -0.271, -0.473),
)
"""Rough colour in [-1, 1] of each channel of Stable Diffusion's latents, for previews: a linear fit in common
use."""


class Zero123PlusViewModel:
    """One image to six views on transparency."""

    def __init__(
        self, model: Zero123Plus, camera_distance: float, default_steps: int, default_guidance: float
    ) -> None:
        """`camera_distance` is that of the reconstructor that goes with it: Zero123++ itself fixes the
        directions and the field of view only."""
        self.reference_size = model.config.condition.latent_size
        self.default_steps = default_steps
        self.default_guidance = default_guidance
        self._model = model
        self._camera_distance = camera_distance

    @property
    def cameras(self) -> Cameras:
        return six_view_cameras(self._camera_distance)

    def generate(
        self, reference: Float[Tensor, "4 h w"], *, steps: int, guidance: float, seed: int, on_step: OnStep
    ) -> GeneratedViews:
        """Denoise and cut out; `on_step` hears one step more than asked for, which is the decoding.

        Raises EmptySurfaceError where the views show nothing.
        """
        grid = self._model.generate(
            _to_bytes(reference),
            torch.Generator().manual_seed(seed),
            steps=steps,
            guidance=guidance,
            on_step=_latent_preview(on_step, steps),
        )
        rgba = cut_out(split_grid(grid.float()), self._model.config.condition.backing)
        elevation = estimate_elevation(reference[3], rgba[:, 3], self.cameras)
        on_step(steps + 1, steps + 1, rgba)
        return GeneratedViews(rgba, elevation)


class Zero123PlusNormalModel:
    """Six views to world-frame normals, by the same sampler under the normal ControlNet."""

    def __init__(
        self,
        model: Zero123Plus,
        controlnet: ControlNetModel,
        cameras: Cameras,
        default_steps: int,
        guidance: float,
    ) -> None:
        self.default_steps = default_steps
        self._model = model
        self._controlnet = controlnet
        self._cameras = cameras
        self._guidance = guidance

    def generate(
        self,
        reference: Float[Tensor, "4 h w"],
        rgba: Float[Tensor, "view 4 size size"],
        *,
        steps: int,
        seed: int,
        on_step: OnStep,
    ) -> tuple[Float[Tensor, "view 3 size size"], None]:
        """Unit normals, zero beside the object; no depth. `on_step` as for the views."""
        drawn = put_back(rgba, self._model.config.condition.backing)
        grid = self._model.generate(
            _to_bytes(reference),
            torch.Generator().manual_seed(seed),
            steps=steps,
            guidance=self._guidance,
            control=Control(self._controlnet, join_grid(drawn)),
            on_step=_latent_preview(on_step, steps),
        )
        normals = world_normals(split_grid(grid.float()), rgba[:, 3], self._cameras)
        on_step(steps + 1, steps + 1, normals)
        return normals, None


def _to_bytes(image: Float[Tensor, "channel h w"]) -> UInt8[np.ndarray, "h w channel"]:
    return (image.float().clamp(0, 1) * 255).round().byte().permute(1, 2, 0).contiguous().cpu().numpy()


def _latent_preview(on_step: OnStep, steps: int) -> Callable[[int, Tensor], None]:
    """Reports each denoising step with small views in rough colours: decoding them would cost more."""

    def report(index: int, latents: Float[Tensor, "1 4 height width"]) -> None:
        colours = torch.tensor(LATENT_COLOURS, device=latents.device)
        rough = torch.einsum("chw,cd->dhw", latents[0].float(), colours) / 2 + 0.5
        on_step(index + 1, steps + 1, split_grid(rough.clamp(0, 1)))

    return report
