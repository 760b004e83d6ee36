"""What Zero123++ is conditioned on: the reference image as a clean latent and as a ramped global embedding.

Source: Zero123++ (arXiv 2310.15110, sections 2.2 and 2.3).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.utils.torch_utils import randn_tensor
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor
from transformers import CLIPImageProcessorPil, CLIPVisionModelWithProjection


@dataclass(frozen=True)
class ConditionConfig:
    """How the reference image becomes pixels for the VAE and for CLIP."""

    background: int = 255
    """Grey level behind transparent pixels: 127 for the v1.2 UNet, 255 for InstantMesh's."""
    latent_size: int = 512
    """Side in pixels of the square that the VAE encodes."""
    latent_mean: float = 0.5
    latent_std: float = 0.8
    """Pixels reach the VAE in +-0.625, not in +-1: the published processor's value."""
    embedding_size: int = 224
    """Side in pixels of CLIP's input; its mean and deviation are OpenAI's."""

    @property
    def backing(self) -> float:
        """The grey in [0, 1] on which the model draws: the one that it is shown."""
        return self.background / 255


@dataclass(frozen=True)
class Condition:
    """The reference image as the denoiser sees it; with guidance both hold [negative, positive]."""

    latent: Float[Tensor, "guided 4 height width"]
    """Clean, float32, and *not* multiplied by the VAE's scaling factor: so it was trained."""
    text: Float[Tensor, "guided token width"]


def composite(rgba: UInt8[np.ndarray, "height width 4"], background: int) -> Image.Image:
    """Straight-alpha sRGB over a grey level, in 8 bits."""
    image = Image.fromarray(rgba, mode=None)
    flat = Image.new("RGB", image.size, (background,) * 3)
    flat.paste(image, mask=image.getchannel("A"))
    return flat


def latent_pixels(image: Image.Image, config: ConditionConfig) -> Float[Tensor, "1 3 size size"]:
    """Shortest edge to `latent_size` (bilinear), centre crop, normalised for the VAE."""
    processor = CLIPImageProcessorPil(
        size={"shortest_edge": config.latent_size},
        crop_size={"height": config.latent_size, "width": config.latent_size},
        resample=Image.Resampling.BILINEAR,
        image_mean=config.latent_mean,
        image_std=config.latent_std,
    )
    return processor(images=image, return_tensors="pt").pixel_values


def embedding_pixels(image: Image.Image, config: ConditionConfig) -> Float[Tensor, "1 3 size size"]:
    """Shortest edge to `embedding_size` (bicubic), centre crop, normalised for CLIP."""
    processor = CLIPImageProcessorPil(
        size={"shortest_edge": config.embedding_size},
        crop_size={"height": config.embedding_size, "width": config.embedding_size},
    )
    return processor(images=image, return_tensors="pt").pixel_values


def ramped_prompt(
    empty_prompt: Float[Tensor, "1 token width"],
    image_embedding: Float[Tensor, "1 width"],
    ramping: Float[Tensor, " token"],
) -> Float[Tensor, "1 token width"]:
    """The empty prompt plus the global image embedding, weighted by token (section 2.2.2)."""
    return empty_prompt + image_embedding[:, None, :] * ramping[None, :, None]


def encode_condition(
    rgba: UInt8[np.ndarray, "height width 4"],
    vae: AutoencoderKL,
    vision_encoder: CLIPVisionModelWithProjection,
    empty_prompt: Float[Tensor, "1 token width"],
    ramping: Float[Tensor, " token"],
    config: ConditionConfig,
    generator: torch.Generator,
    guided: bool,
) -> Condition:
    """Encode the reference. The negative is a mid-grey image (zeros) with the plain empty prompt.

    Draws from `generator`: the positive latent's noise, then, if guided, the negative's.
    """
    image = composite(rgba, config.background)
    pixels = latent_pixels(image, config).to(vae.device, vae.dtype)
    embedding_input = embedding_pixels(image, config).to(vision_encoder.device, vision_encoder.dtype)
    latent = _sample_latent(vae, pixels, generator)
    embedding = vision_encoder(embedding_input).image_embeds
    text = ramped_prompt(empty_prompt, embedding, ramping)
    if not guided:
        return Condition(latent, text)
    negative = _sample_latent(vae, torch.zeros_like(pixels), generator)
    return Condition(torch.cat([negative, latent]), torch.cat([empty_prompt, text]))


def _sample_latent(vae: AutoencoderKL, pixels: Tensor, generator: torch.Generator) -> Tensor:
    distribution = vae.encode(pixels).latent_dist
    mean, std = distribution.mean.float(), distribution.std.float()
    return mean + std * randn_tensor(mean.shape, generator=generator, device=vae.device, dtype=torch.float32)
