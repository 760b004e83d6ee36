"""Zero123++: six views of the object in one tiled image, from one reference image.

The 3 x 2 grid of views is denoised as a single image, so the UNet's self-attention spans the views; the
reference enters through reference attention and a ramped global embedding; a ControlNet turns the same
model into a normal generator. Source: Zero123++ (arXiv 2310.15110) and the public v1.2 configuration.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.controlnets.controlnet import ControlNetModel
from diffusers.schedulers.scheduling_euler_ancestral_discrete import EulerAncestralDiscreteScheduler
from diffusers.utils.torch_utils import randn_tensor
from einops import rearrange
from jaxtyping import Float, UInt8
from torch import Tensor
from transformers import CLIPVisionModelWithProjection

from backend.device import Placement
from backend.models.multiview.ramping_coefficients import RAMPING_COEFFICIENTS
from backend.models.multiview.reference_attention import ReferenceAttentionUNet
from backend.models.multiview.zero123plus_condition import Condition, ConditionConfig, encode_condition

GRID_ROWS, GRID_COLUMNS = 3, 2
"""View k sits in row k // 2, column k % 2."""


@dataclass(frozen=True)
class NoiseSchedule:
    """The noise that the denoiser was trained on; the defaults are v1.2's."""

    num_train_timesteps: int = 1000
    beta_start: float = 0.00085
    beta_end: float = 0.012
    beta_schedule: str = "linear"
    prediction_type: str = "v_prediction"


@dataclass(frozen=True)
class Zero123PlusConfig:
    """Everything about sampling that is not in the networks' own configurations."""

    height: int = 960
    """Pixels of the whole grid."""
    width: int = 640
    steps: int = 28
    """Usually enough, say the authors; 75, InstantMesh's choice, for faces and other delicate detail."""
    guidance: float = 4.0
    condition: ConditionConfig = field(default_factory=ConditionConfig)
    ramping: tuple[float, ...] = RAMPING_COEFFICIENTS
    """Weight of the global image embedding at each text token."""
    schedule: NoiseSchedule = field(default_factory=NoiseSchedule)


def euler_ancestral_scheduler(schedule: NoiseSchedule | None = None) -> EulerAncestralDiscreteScheduler:
    """Euler ancestral sampling over trailing timesteps, whatever spacing the published file names."""
    return EulerAncestralDiscreteScheduler(
        **asdict(schedule or NoiseSchedule()), timestep_spacing="trailing", steps_offset=1
    )


def scale_latents(latents: Tensor) -> Tensor:
    """Scaled VAE latents of a grid to the denoiser's range."""
    return (latents - 0.22) * 0.75


def unscale_latents(latents: Tensor) -> Tensor:
    return latents / 0.75 + 0.22


def scale_image(image: Tensor) -> Tensor:
    """Pixels in [-1, 1] to the range in which the VAE saw the grids."""
    return image * 0.5 / 0.8


def unscale_image(image: Tensor) -> Tensor:
    return image / 0.5 * 0.8


def split_grid(grid: Float[Tensor, "channel height width"]) -> Float[Tensor, "view channel size size"]:
    """The tiled image as its six views, in the order of `VIEW_AZIMUTHS`."""
    return rearrange(grid, "c (row h) (column w) -> (row column) c h w", row=GRID_ROWS, column=GRID_COLUMNS)


def join_grid(views: Float[Tensor, "view channel size size"]) -> Float[Tensor, "channel height width"]:
    """The inverse of `split_grid`."""
    return rearrange(views, "(row column) c h w -> c (row h) (column w)", row=GRID_ROWS, column=GRID_COLUMNS)


@dataclass(frozen=True)
class Control:
    """A ControlNet and what it looks at."""

    network: ControlNetModel
    image: Float[Tensor, "3 height width"]
    """The RGB grid in [0, 1], as generated without the ControlNet."""
    scale: float = 1.0
    """1.0 for the normal ControlNet, 0.75 for the depth one (the authors' examples)."""


class Zero123Plus:
    """The networks of one pack, and sampling from them."""

    def __init__(
        self,
        unet: ReferenceAttentionUNet,
        vae: AutoencoderKL,
        vision_encoder: CLIPVisionModelWithProjection,
        empty_prompt: Float[Tensor, "1 token width"],
        config: Zero123PlusConfig,
        placement: Placement | None = None,
    ) -> None:
        """`empty_prompt` is the text encoder's output for "", a constant of the pack.

        Without a placement the networks compute where they are.
        """
        self.unet = unet
        self.vae = vae
        self.vision_encoder = vision_encoder
        self.empty_prompt = empty_prompt
        self.config = config
        self.ramping = torch.tensor(config.ramping, dtype=empty_prompt.dtype, device=empty_prompt.device)
        self._placement = placement or Placement(unet.device, unet.dtype, resident=True)

    @torch.no_grad()
    def generate(
        self,
        rgba: UInt8[np.ndarray, "size size 4"],
        generator: torch.Generator,
        steps: int | None = None,
        guidance: float | None = None,
        control: Control | None = None,
        on_step: Callable[[int, Tensor], None] | None = None,
    ) -> Float[Tensor, "3 height width"]:
        """The grid of views in [0, 1] (RGB, or whatever the ControlNet was trained to give).

        Every draw comes from `generator`, in a fixed order, so a seed names a result. `on_step` is called
        after each denoising step with its index and the latents; what it raises ends the sampling.
        """
        guidance = self.config.guidance if guidance is None else guidance
        with self._placement.hosting(self.vae, self.vision_encoder):
            condition = encode_condition(
                rgba,
                self.vae,
                self.vision_encoder,
                self.empty_prompt,
                self.ramping,
                self.config.condition,
                generator,
                guided=guidance > 1,
            )
        denoisers = (self.unet,) if control is None else (self.unet, control.network)
        with self._placement.hosting(*denoisers):
            latents = self.denoise(
                condition, generator, steps or self.config.steps, guidance, control, on_step
            )
        with self._placement.hosting(self.vae):
            return self.decode(latents)

    def denoise(
        self,
        condition: Condition,
        generator: torch.Generator,
        steps: int,
        guidance: float,
        control: Control | None = None,
        on_step: Callable[[int, Tensor], None] | None = None,
    ) -> Float[Tensor, "1 4 height width"]:
        """Latents of the grid from noise; the denoiser's networks must be on the device."""
        scheduler = euler_ancestral_scheduler(self.config.schedule)
        scheduler.set_timesteps(steps, device=self.unet.device)
        factor = 2 ** (len(self.vae.config["block_out_channels"]) - 1)
        shape = (
            1,
            self.unet.config["in_channels"],
            self.config.height // factor,
            self.config.width // factor,
        )
        latents = self._noise(shape, generator) * scheduler.init_noise_sigma
        for index, timestep in enumerate(scheduler.timesteps):
            noise = self._noise(condition.latent.shape, generator)
            prediction = self.predict(latents, timestep, condition, noise, scheduler, control)
            if guidance > 1:
                negative, positive = prediction.chunk(2)
                prediction = negative + guidance * (positive - negative)
            latents = scheduler.step(prediction, timestep, latents, generator=generator, return_dict=False)[0]
            if on_step is not None:
                on_step(index, latents)
        return latents

    def predict(
        self,
        latents: Float[Tensor, "1 4 height width"],
        timestep: Float[Tensor, ""],
        condition: Condition,
        noise: Float[Tensor, "guided 4 _ _"],
        scheduler: EulerAncestralDiscreteScheduler,
        control: Control | None = None,
    ) -> Float[Tensor, "guided 4 height width"]:
        """One evaluation of the denoiser: the reference is noised to the sample's own level first.

        Whatever the network's precision, latents and noise are float32: rounding does not add up over the
        steps, and a seed draws the same noise everywhere.
        """
        noisy_reference = scheduler.add_noise(condition.latent, noise, timestep[None])
        noisy_reference = scheduler.scale_model_input(noisy_reference, timestep).to(self.unet.dtype)
        sample = scheduler.scale_model_input(latents.expand(len(condition.latent), -1, -1, -1), timestep)
        sample, text = sample.to(self.unet.dtype), condition.text.to(self.unet.dtype)
        reference = self.unet.reference_features(noisy_reference, timestep, text)
        if control is None:
            return self.unet(sample, timestep, text, reference).float()
        down, mid = control.network(
            sample,
            timestep,
            text,
            controlnet_cond=(control.image * 2 - 1)[None].to(sample),
            conditioning_scale=control.scale,
            return_dict=False,
        )
        return self.unet(sample, timestep, text, reference, down, mid).float()

    def decode(self, latents: Float[Tensor, "1 4 height width"]) -> Float[Tensor, "3 _ _"]:
        """Latents to the grid of views in [0, 1]."""
        scaled = unscale_latents(latents) / self.vae.config["scaling_factor"]
        image = self.vae.decode(scaled.to(self.vae.dtype), return_dict=False)[0].float()
        return (unscale_image(image)[0] / 2 + 0.5).clamp(0, 1)

    def _noise(self, shape: tuple[int, ...] | torch.Size, generator: torch.Generator) -> Tensor:
        return randn_tensor(shape, generator=generator, device=self.unet.device, dtype=torch.float32)
