"""A random material pack a thousandth of the size, in the public files' form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel

from backend.packs.manifest import PackManifest, hashed_file, save_manifest
from backend.packs.material_models import KIND
from backend.packs.public_names import CLIP_TEXT_NAMES
from tests.backend.packs.tiny_lrm_packs import as_stored
from tests.backend.packs.tiny_public_pack import TEXT, UNET, VAE

PIPELINE: dict[str, Any] = {
    "prediction_type": "intrinsics",
    "default_denoising_steps": 2,
    "default_processing_resolution": 32,
    "target_properties": {
        "target_names": ["albedo", "material"],
        "albedo": {"prediction_space": "srgb"},
        "material": {"prediction_space": "stack", "sub_target_names": ["roughness", "metallicity", None]},
        "roughness": {"prediction_space": "linear"},
        "metallicity": {"prediction_space": "linear"},
    },
}
SCHEDULER = {"beta_schedule": "scaled_linear", "prediction_type": "v_prediction", "clip_sample": False}


def write_tiny_marigold(folder: Path, pipeline: dict[str, Any] = PIPELINE) -> None:
    """As an installed download."""
    torch.manual_seed(0)
    unet_config = {**UNET, "in_channels": 12, "out_channels": 8}
    configurations = {
        "pipeline": pipeline,
        "scheduler": SCHEDULER,
        "unet_config": unet_config,
        "vae_config": VAE,
        "text_encoder_config": TEXT,
    }
    weights = {
        "unet": UNet2DConditionModel(**unet_config).state_dict(),
        "vae": AutoencoderKL(**VAE).state_dict(),
        "text_encoder": as_stored(CLIPTextModel(CLIPTextConfig(**TEXT)), CLIP_TEXT_NAMES),
    }
    folder.mkdir()
    for role, configuration in configurations.items():
        (folder / f"{role}.json").write_text(json.dumps(configuration))
    for role, state in weights.items():
        save_file(
            {name: tensor.contiguous() for name, tensor in state.items()}, folder / f"{role}.safetensors"
        )
    files = [hashed_file(folder, f"{role}.json", role) for role in configurations]
    files += [hashed_file(folder, f"{role}.safetensors", role) for role in weights]
    save_manifest(folder, PackManifest(folder.name, "CC0-1.0", "tiny", tuple(files), KIND))
