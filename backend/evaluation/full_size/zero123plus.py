"""Zero123++ at full size with seeded random weights: condition, guided steps, decoding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from jaxtyping import Float
from torch import Tensor, nn
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from backend.device import Placement
from backend.evaluation.full_size.meter import Original, StageMeter
from backend.models.multiview.reference_attention import ReferenceAttentionUNet
from backend.models.multiview.zero123plus import Zero123Plus, Zero123PlusConfig
from backend.models.multiview.zero123plus_condition import encode_condition

UNET: dict[str, Any] = {
    "sample_size": 96,
    "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
    "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
    "block_out_channels": (320, 640, 1280, 1280),
    "cross_attention_dim": 1024,
    "attention_head_dim": (5, 10, 20, 20),
    "use_linear_projection": True,
    "upcast_attention": True,
}
"""Stable Diffusion 2's, which Zero123++ v1.2 was fine-tuned from."""
VAE: dict[str, Any] = {
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "block_out_channels": (128, 256, 512, 512),
    "layers_per_block": 2,
    "sample_size": 768,
}
VISION: dict[str, Any] = {
    "hidden_size": 1280,
    "intermediate_size": 5120,
    "num_hidden_layers": 32,
    "num_attention_heads": 16,
    "patch_size": 14,
    "hidden_act": "gelu",
    "projection_dim": 1024,
}
"""OpenCLIP ViT-H/14."""


@dataclass(frozen=True)
class Zero123PlusSize:
    """The networks' configurations, as their libraries take them."""

    unet: dict[str, Any]
    vae: dict[str, Any]
    vision_encoder: dict[str, Any]
    sampling: Zero123PlusConfig


FULL_SIZE = Zero123PlusSize(UNET, VAE, VISION, Zero123PlusConfig())


def original(steps: int) -> Original:
    """The recorded figures: image embedding 2.8, two VAE encodes 19.4, 46.3 a guided step, decoding 45.1."""
    return Original(
        seconds={"condition": 2.8 + 19.4, f"{steps} guided steps": 46.3 * steps, "decode": 45.1},
        without={},
        peak_gib=9.6,
    )


def random_sampler(size: Zero123PlusSize, placement: Placement, channels_last: bool) -> Zero123Plus:
    """The networks with weights from seed 0, equal for every precision."""
    torch.manual_seed(0)
    unet = ReferenceAttentionUNet.from_config(size.unet)
    vae = AutoencoderKL(**size.vae)
    vision = CLIPVisionModelWithProjection(CLIPVisionConfig(**size.vision_encoder))
    prompt = torch.randn(1, len(size.sampling.ramping), unet.config["cross_attention_dim"])
    for network in (unet, vae, vision):
        placement.settle(network)
        if not channels_last:
            nn.Module.to(network, memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    prompt = prompt.to(placement.device, placement.dtype)
    return Zero123Plus(unet, vae, vision, prompt, size.sampling, placement)


@torch.inference_mode()
def run_zero123plus(model: Zero123Plus, meter: StageMeter, steps: int) -> Float[Tensor, "3 height width"]:
    """Measure the stages of one sampling at guidance 4; the grid of views, equal for equal draws."""
    config, generator = model.config, torch.Generator().manual_seed(0)
    reference = np.random.default_rng(0).integers(0, 256, (320, 320, 4), dtype=np.uint8)
    with meter("condition"):
        condition = encode_condition(
            reference,
            model.vae,
            model.vision_encoder,
            model.empty_prompt,
            model.ramping,
            config.condition,
            generator,
            guided=True,
        )
    with meter(f"{steps} guided steps"):
        latents = model.denoise(condition, generator, steps, config.guidance)
    with meter("decode"):
        return model.decode(latents)
