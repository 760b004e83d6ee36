"""Every class at full size against the public checkpoints' parameter lists, on the meta device."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, ControlNetModel
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPVisionConfig, CLIPVisionModelWithProjection

from backend.errors import PackError
from backend.models.layers.triplane_transformer import TriplaneTransformerConfig
from backend.models.layers.vision_transformer import VisionTransformerConfig
from backend.models.multiview.reference_attention import ReferenceAttentionUNet
from backend.models.reconstructor.instantmesh import InstantMesh, InstantMeshConfig, InstantNeRF
from backend.models.reconstructor.openlrm import OpenLRM, OpenLRMConfig
from backend.models.reconstructor.triposr import TripoSR, TripoSRConfig
from backend.packs.public_names import (
    CLIP_TEXT_NAMES,
    CLIP_UNUSED,
    INSTANTMESH_NAMES,
    LEGACY_VAE_NAMES,
    OPENLRM_NAMES,
    TRIPOSR_NAMES,
    TRIPOSR_UNUSED,
)
from backend.packs.strict_loading import NameRule, load_strictly

Config = dict[str, Any]


def instantmesh_config(config: Config) -> InstantMeshConfig:
    return InstantMeshConfig(
        transformer=TriplaneTransformerConfig(
            layers=config["config"]["transformer_layers"], plane_channels=config["config"]["triplane_dim"]
        )
    )


def openlrm(config: Config) -> OpenLRM:
    default, public = OpenLRMConfig(), config["config"]
    encoder_width, width = public["encoder_feat_dim"], public["transformer_dim"]
    return OpenLRM(
        OpenLRMConfig(
            encoder=VisionTransformerConfig(
                width=encoder_width,
                heads=encoder_width // 64,
                hidden=4 * encoder_width,
                patch=default.encoder.patch,
                position_grid=default.encoder.position_grid,
                registers=default.encoder.registers,
                layer_scale=True,
            ),
            transformer=TriplaneTransformerConfig(
                width=width,
                layers=public["transformer_layers"],
                heads=public["transformer_heads"],
                context_width=encoder_width,
                plane_channels=public["triplane_dim"],
                modulation_width=public["camera_embed_dim"],
            ),
        )
    )


def diffusers_model(cls: type[nn.Module]) -> Callable[[Config], nn.Module]:
    return lambda config: cls(**config["config"])


def vision_encoder(config: Config) -> nn.Module:
    return CLIPVisionModelWithProjection(CLIPVisionConfig(**config["config"]))


def text_encoder(config: Config) -> nn.Module:
    return CLIPTextModel(CLIPTextConfig(**config["config"]))


INSTANTMESH = (lambda config: InstantMesh(instantmesh_config(config)), INSTANTMESH_NAMES, ())
INSTANTNERF = (lambda config: InstantNeRF(instantmesh_config(config)), INSTANTMESH_NAMES, ())
OPENLRM = (openlrm, OPENLRM_NAMES, ())
UNET = (diffusers_model(ReferenceAttentionUNet), (), ())
VAE = (diffusers_model(AutoencoderKL), LEGACY_VAE_NAMES, ())
VISION = (vision_encoder, (), CLIP_UNUSED)
COVERED: dict[str, tuple[Callable[[Config], nn.Module], Sequence[NameRule], Sequence[str]]] = {
    "instant_mesh_base": INSTANTMESH,
    "instant_mesh_large": INSTANTMESH,
    "instant_nerf_base": INSTANTNERF,
    "instant_nerf_large": INSTANTNERF,
    "openlrm_small_1.1": OPENLRM,
    "openlrm_base_1.1": OPENLRM,
    "openlrm_large_1.1": OPENLRM,
    "triposr": (lambda _: TripoSR(TripoSRConfig()), TRIPOSR_NAMES, TRIPOSR_UNUSED),
    "zero123plus_v1.2_unet": UNET,
    "zero123plus_v1.2_vae": VAE,
    "zero123plus_v1.2_vision_encoder": VISION,
    "zero123plus_v1.2_text_encoder": (text_encoder, CLIP_TEXT_NAMES, CLIP_UNUSED),
    "zero123plus_controlnet": (diffusers_model(ControlNetModel), (), ()),
    "zero123_diffusers_unet": UNET,
    "zero123_diffusers_vae": VAE,
    "zero123_diffusers_image_encoder": VISION,
}


def read(manifests: Path, name: str) -> tuple[Config, dict[str, Tensor]]:
    """A manifest's configuration, and tensors of its shapes that hold nothing."""
    manifest = json.loads((manifests / f"{name}.json").read_text())
    prefix = manifest["meta"].get("key_prefix_in_ckpt", "")
    shapes: Mapping[str, Sequence[int]] = manifest["tensors"]
    return manifest["meta"], {
        key.removeprefix(prefix): torch.empty(*shape, device="meta") for key, shape in shapes.items()
    }


@pytest.mark.parametrize("name", sorted(COVERED))
def test_every_parameter_has_its_place(manifests: Path, name: str) -> None:
    config, tensors = read(manifests, name)
    build, rules, unused = COVERED[name]
    with torch.device("meta"):
        module = build(config)
    load_strictly(module, tensors, rules, unused, origin=name)
    assert all(parameter.is_meta for parameter in module.parameters())


def test_one_wrong_tensor_is_named(manifests: Path) -> None:
    config, tensors = read(manifests, "instant_mesh_base")
    name = "transformer.layers.3.self_attn.in_proj_weight"
    tensors[name] = tensors[name][:-1]
    with torch.device("meta"):
        module = InstantMesh(instantmesh_config(config))
    with pytest.raises(PackError, match=rf"instant_mesh_base\.ckpt .*{name}"):
        load_strictly(module, tensors, INSTANTMESH_NAMES, origin="instant_mesh_base.ckpt")


def test_the_first_vae_files_load_too(manifests: Path) -> None:
    config, tensors = read(manifests, "zero123plus_v1.2_vae")
    legacy = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    renamed = {}
    for name, tensor in tensors.items():
        for new, old in legacy.items():
            if f".attentions.0.{new}." in name:
                name = name.replace(new, old)
                tensor = tensor[:, :, None, None] if name.endswith("weight") else tensor
        renamed[name] = tensor
    with torch.device("meta"):
        module = AutoencoderKL(**config["config"])
    load_strictly(module, renamed, LEGACY_VAE_NAMES)
