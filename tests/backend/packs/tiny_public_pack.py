"""A random `zero123plus-instantmesh` a thousandth of the size, in memory and in the public files' form."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, ControlNetModel
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPVisionConfig, CLIPVisionModelWithProjection

from backend.models.layers.triplane_transformer import TriplaneTransformerConfig
from backend.models.layers.vision_transformer import VisionTransformerConfig
from backend.models.multiview.reference_attention import ReferenceAttentionUNet
from backend.models.multiview.zero123plus import Zero123PlusConfig
from backend.models.multiview.zero123plus_condition import ConditionConfig
from backend.models.public_presets import Zero123PlusInstantMeshPreset
from backend.models.reconstructor.instantmesh import InstantMesh, InstantMeshConfig
from backend.models.reconstructor.instantmesh_field import InstantMeshReconstructor
from backend.models.reconstructor.instantmesh_surface import sdf_grid
from backend.packs.loading import Pack
from backend.packs.manifest import PackManifest, hashed_file, save_manifest
from backend.packs.public_names import CLIP_TEXT_NAMES, INSTANTMESH_NAMES
from backend.packs.strict_loading import NameRule
from backend.packs.zero123plus_instantmesh import (
    KIND,
    Zero123PlusInstantMeshNetworks,
    assemble_zero123plus_instantmesh,
    empty_prompt,
)

UNET: dict[str, Any] = {
    "block_out_channels": (8, 16),
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
    "layers_per_block": 1,
    "cross_attention_dim": 12,
    "attention_head_dim": 4,
    "norm_num_groups": 4,
}
VAE: dict[str, Any] = {
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "block_out_channels": (4, 4, 8, 8),
    "norm_num_groups": 2,
}
VISION = {
    "hidden_size": 8,
    "intermediate_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 8,
    "patch_size": 4,
    "projection_dim": 12,
}
TEXT = {
    "vocab_size": 20,
    "hidden_size": 12,
    "intermediate_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "max_position_embeddings": 5,
    "bos_token_id": 18,
    "eos_token_id": 19,
}
INSTANTMESH = InstantMeshConfig(
    VisionTransformerConfig(width=16, layers=1, heads=2, hidden=32, position_grid=2, modulation_width=16),
    TriplaneTransformerConfig(
        width=16, layers=1, heads=2, context_width=16, plane_tokens=4, plane_channels=4
    ),
    image_size=48,
    grid_cells=16,
)
RAMPING = (0.0, 0.1, 0.4, 0.7, 1.0)
SAMPLING = Zero123PlusConfig(
    height=96,
    width=64,
    steps=2,
    condition=ConditionConfig(latent_size=32, embedding_size=8),
    ramping=RAMPING,
)
PRESET = Zero123PlusInstantMeshPreset(SAMPLING, normal_steps=1)
INSIDE_SHARE = 0.3
"""Of the grid: an untrained field is nearly constant, so its level is chosen."""


def tiny_networks() -> tuple[Zero123PlusInstantMeshNetworks, CLIPTextModel]:
    torch.manual_seed(0)
    unet = ReferenceAttentionUNet(**UNET)
    networks = Zero123PlusInstantMeshNetworks(
        unet,
        # As many downsamplings as the VAE has.
        ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(4, 4, 8, 8)),
        AutoencoderKL(**VAE),
        CLIPVisionModelWithProjection(CLIPVisionConfig(**VISION)),
        _with_a_surface(InstantMesh(INSTANTMESH)),
    )
    return networks, CLIPTextModel(CLIPTextConfig(**TEXT)).eval()


def tiny_public_pack(device: torch.device | None = None) -> Pack:
    """Assembled, on the CPU unless told otherwise."""
    networks, text_encoder = tiny_networks()
    return assemble_zero123plus_instantmesh(
        networks, empty_prompt(text_encoder), PRESET, device or torch.device("cpu"), revision="test"
    )


@torch.no_grad()
def _with_a_surface(model: InstantMesh) -> InstantMesh:
    grey = torch.full((6, 4, 32, 32), 0.5)
    field = InstantMeshReconstructor(model.eval()).reconstruct(grey, torch.zeros(6, 3, 32, 32), None)
    level = sdf_grid(model, field._planes).quantile(INSIDE_SHARE)
    model.decoder.sdf[-1].bias -= level
    return model


def write_tiny_public_pack(folder: Path) -> None:
    """As an installed download: the hub's files, and the manifest with their roles."""
    networks, text_encoder = tiny_networks()
    processor = {"image_mean": [0.5] * 3, "image_std": [0.8] * 3}
    configurations = {
        "pipeline": {"ramping_coefficients": RAMPING},
        "scheduler": {
            "num_train_timesteps": 1000,
            "beta_start": 0.00085,
            "beta_end": 0.012,
            "beta_schedule": "linear",
            "prediction_type": "v_prediction",
        },
        "image_processor_vae": {**processor, "crop_size": {"height": 32, "width": 32}},
        "image_processor_clip": {**processor, "crop_size": 8},
        "unet_config": UNET,
        "controlnet_config": {**UNET, "conditioning_embedding_out_channels": (4, 4, 8, 8)},
        "vae_config": VAE,
        "vision_encoder_config": VISION,
        "text_encoder_config": TEXT,
    }
    configurations["controlnet_config"].pop("up_block_types")
    weights: dict[str, tuple[nn.Module, Sequence[NameRule]]] = {
        "unet": (networks.unet, ()),
        "controlnet": (networks.controlnet, ()),
        "vae": (networks.vae, ()),
        "vision_encoder": (networks.vision_encoder, ()),
        "text_encoder": (text_encoder, CLIP_TEXT_NAMES),
        "reconstructor": (networks.reconstructor, INSTANTMESH_NAMES),
    }
    folder.mkdir()
    for role, configuration in configurations.items():
        (folder / f"{role}.json").write_text(json.dumps(configuration))
    for role, (module, rules) in weights.items():
        save_file(_stored(module.state_dict(), rules), folder / f"{role}.safetensors")
    files = [hashed_file(folder, f"{role}.json", role) for role in configurations]
    files += [hashed_file(folder, f"{role}.safetensors", role) for role in weights]
    save_manifest(folder, PackManifest(folder.name, "CC0-1.0", "tiny", tuple(files), KIND))


def _stored(state: Mapping[str, Tensor], rules: Sequence[NameRule]) -> dict[str, Tensor]:
    """Parameters under the names of the public files, none of them fused."""
    stored = {}
    for name, tensor in state.items():
        matches = [(rule, re.fullmatch(rule.module, name)) for rule in rules if rule.part is None]
        names = [match.expand(rule.stored) for rule, match in matches if match]
        stored[names[-1] if names else name] = tensor.contiguous()
    return stored
