"""The pack of Zero123++ v1.2, its normal ControlNet and InstantMesh: files to models ready to run."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.controlnets.controlnet import ControlNetModel
from jaxtyping import Float
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPVisionModelWithProjection

from backend.device import place
from backend.errors import PackError
from backend.models.interfaces import MaterialModel
from backend.models.multiview.reference_attention import ReferenceAttentionUNet
from backend.models.multiview.zero123plus import NoiseSchedule, Zero123Plus, Zero123PlusConfig
from backend.models.multiview.zero123plus_condition import ConditionConfig
from backend.models.multiview.zero123plus_models import Zero123PlusNormalModel, Zero123PlusViewModel
from backend.models.public_presets import Zero123PlusInstantMeshPreset
from backend.models.reconstructor.instantmesh import InstantMesh
from backend.models.reconstructor.instantmesh_field import InstantMeshReconstructor
from backend.packs.loading import Pack
from backend.packs.manifest import PackManifest, files_by_role
from backend.packs.material_models import material_model_beside
from backend.packs.networks import load_network
from backend.packs.public_networks import Files, networks_of, read_json

KIND = "zero123plus-instantmesh"
WHITE = 255
"""InstantMesh's UNet, which the pack holds, draws on white; Zero123++'s own draws on mid-grey."""


@dataclass(frozen=True)
class Zero123PlusInstantMeshNetworks:
    """The networks by their roles in the pack, as read: on the CPU, in the files' precision."""

    unet: ReferenceAttentionUNet
    controlnet: ControlNetModel
    vae: AutoencoderKL
    vision_encoder: CLIPVisionModelWithProjection
    reconstructor: InstantMesh

    def diffusion(self) -> tuple[nn.Module, ...]:
        return (self.unet, self.controlnet, self.vae, self.vision_encoder)


def load_zero123plus_instantmesh(folder: Path, manifest: PackManifest, device: torch.device) -> Pack:
    """The pack from a verified folder.

    Raises:
        PackError: a file does not fit its network, or a configuration lacks something.
    """
    files = files_by_role(folder)
    networks = {
        role: load_network(network, files[role]) for role, network in networks_of(KIND, files).items()
    }
    text_encoder = networks.pop("text_encoder")
    assert isinstance(text_encoder, CLIPTextModel)
    prompt = empty_prompt(text_encoder)
    preset = Zero123PlusInstantMeshPreset(sampling_config(files))
    held: dict[str, Any] = dict(networks)
    return assemble_zero123plus_instantmesh(
        Zero123PlusInstantMeshNetworks(**held),
        prompt,
        preset,
        device,
        name=folder.name,
        revision=manifest.revision,
        materials=material_model_beside(folder, device),
    )


def assemble_zero123plus_instantmesh(
    networks: Zero123PlusInstantMeshNetworks,
    prompt: Float[Tensor, "1 token width"],
    preset: Zero123PlusInstantMeshPreset,
    device: torch.device,
    *,
    name: str = KIND,
    revision: str,
    materials: MaterialModel | None = None,
) -> Pack:
    """Put the networks behind the pipeline's interfaces, in the precision and the place that suit `device`.

    `prompt` is the text encoder's output for the empty text (see `empty_prompt`).
    """
    placement = place(device, _parameters(networks.diffusion()), _parameters((networks.reconstructor,)))
    for network in networks.diffusion():
        placement.settle(network)
    # The surface is as exact as the reconstructor; its heads are small and asked again and again.
    placement.settle(networks.reconstructor, torch.float32)
    networks.reconstructor.decoder.to(device)
    sampling = preset.sampling
    sampler = Zero123Plus(
        networks.unet,
        networks.vae,
        networks.vision_encoder,
        prompt.to(device, placement.dtype),
        sampling,
        placement,
    )
    views = Zero123PlusViewModel(sampler, preset.view_distance, sampling.steps, sampling.guidance)
    normals = Zero123PlusNormalModel(
        sampler, networks.controlnet, views.cameras, preset.normal_steps, preset.normal_guidance
    )
    reconstructor = InstantMeshReconstructor(networks.reconstructor, placement)
    return Pack(
        name, revision, device, preset, views, normals, reconstructor, materials, normals_sharpen=True
    )


@torch.no_grad()
def empty_prompt(text_encoder: CLIPTextModel) -> Float[Tensor, "1 token width"]:
    """The embedding of no text: begin, end, then padding with token 0, as Stable Diffusion 2 pads.

    CLIP's two marks are the last tokens of its vocabulary.
    """
    tokens = torch.zeros(1, text_encoder.config.max_position_embeddings, dtype=torch.long)
    tokens[0, :2] = torch.tensor([-2, -1]) + text_encoder.config.vocab_size
    return text_encoder.float()(tokens).last_hidden_state


def sampling_config(files: Files) -> Zero123PlusConfig:
    """What the pack's pipeline, scheduler and image processors say, in our terms.

    Raises:
        PackError: a file is missing or lacks an entry.
    """
    pipeline, latent, embedding, schedule = (
        read_json(files, role)
        for role in ("pipeline", "image_processor_vae", "image_processor_clip", "scheduler")
    )
    try:
        condition = ConditionConfig(
            background=WHITE,
            latent_size=_side(latent["crop_size"]),
            latent_mean=_grey(latent["image_mean"]),
            latent_std=_grey(latent["image_std"]),
            embedding_size=_side(embedding["crop_size"]),
        )
        ramping = tuple(float(weight) for weight in pipeline["ramping_coefficients"])
        known = {one.name: schedule[one.name] for one in fields(NoiseSchedule)}
    except (KeyError, TypeError, ValueError) as error:
        raise PackError(
            f"A configuration of the pack lacks {error}, which Zero123++ v1.2's has: is it the pack's file? "
            "Install the pack again."
        ) from error
    return replace(Zero123PlusConfig(), condition=condition, ramping=ramping, schedule=NoiseSchedule(**known))


def _side(crop_size: int | dict[str, int]) -> int:
    """An image processor's square, which is one number or a height and a width."""
    return int(crop_size["height"] if isinstance(crop_size, dict) else crop_size)


def _grey(values: float | list[float]) -> float:
    """An image processor's mean or deviation, which is one number or the same for every channel."""
    if isinstance(values, list):
        (value,) = set(values)
        return float(value)
    return float(values)


def _parameters(networks: tuple[nn.Module, ...]) -> int:
    return sum(parameter.numel() for network in networks for parameter in network.parameters())
