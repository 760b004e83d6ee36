"""Packs that make no asset but give other packs' assets their roughness and metallic."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.pipelines.marigold.pipeline_marigold_intrinsics import MarigoldIntrinsicsPipeline
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from jaxtyping import Float
from torch import Tensor
from transformers import CLIPTextModel

from backend.device import place
from backend.errors import PackError
from backend.models.interfaces import MaterialModel, OnFraction
from backend.models.materials.marigold import MarigoldMaterials
from backend.packs.manifest import MANIFEST_NAME, files_by_role, verify
from backend.packs.networks import load_networks
from backend.packs.public_networks import Files, read_json

MATERIAL_PACK = "marigold-iid-appearance"
KIND = "marigold-iid"


def material_model_beside(folder: Path, device: torch.device) -> MaterialModel | None:
    """The material model installed beside the pack in `folder`, if any."""
    material_folder = folder.parent / MATERIAL_PACK
    if not (material_folder / MANIFEST_NAME).is_file():
        return None
    return InstalledMaterialModel(material_folder, device)


@dataclass
class InstalledMaterialModel:
    """A material pack whose gigabytes are read when the first picture comes; implements MaterialModel."""

    folder: Path
    device: torch.device
    _model: MaterialModel | None = field(default=None, init=False, repr=False)

    @property
    def name(self) -> str:
        return self.folder.name

    def estimate(
        self, images: Float[Tensor, "image 4 size size"], *, seed: int, on_fraction: OnFraction
    ) -> Float[Tensor, "image 2 size size"]:
        """See MaterialModel. Raises PackError if the pack is not what its manifest says."""
        if self._model is None:
            self._model = load_marigold(self.folder, self.device)
        return self._model.estimate(images, seed=seed, on_fraction=on_fraction)


def load_marigold(folder: Path, device: torch.device) -> MarigoldMaterials:
    """Verify and load the pack in `folder`.

    Raises:
        PackError: a file is missing, altered, or does not fit its network.
    """
    verify(folder)
    files = files_by_role(folder)
    networks = load_networks(KIND, files)
    unet, vae, text_encoder = networks["unet"], networks["vae"], networks["text_encoder"]
    assert isinstance(unet, UNet2DConditionModel)
    assert isinstance(vae, AutoencoderKL)
    assert isinstance(text_encoder, CLIPTextModel)
    return assemble_marigold(unet, vae, text_encoder, files, device, name=folder.name)


def assemble_marigold(
    unet: UNet2DConditionModel,
    vae: AutoencoderKL,
    text_encoder: CLIPTextModel,
    files: Files,
    device: torch.device,
    *,
    name: str = MATERIAL_PACK,
) -> MarigoldMaterials:
    """diffusers' pipeline in the precision and the place that suit `device`.

    `files` holds the roles "pipeline" (model_index.json) and "scheduler".

    Raises:
        PackError: a configuration lacks something.
    """
    settings = read_json(files, "pipeline")
    placement = place(device, sum(p.numel() for network in (unet, vae) for p in network.parameters()))
    for network in (unet, vae):
        placement.settle(network)
    nothing: Any = None  # the text is always the empty one, whose embedding is given below
    try:
        pipeline: Any = MarigoldIntrinsicsPipeline(
            unet,
            vae,
            DDIMScheduler.from_config(read_json(files, "scheduler")),
            text_encoder=nothing,
            tokenizer=nothing,
            prediction_type=settings["prediction_type"],
            target_properties=settings["target_properties"],
            default_denoising_steps=settings["default_denoising_steps"],
            default_processing_resolution=settings["default_processing_resolution"],
        )
    except KeyError as error:
        raise PackError(f"{files['pipeline']} lacks {error}: install the pack {name!r} again.") from error
    pipeline.empty_text_embedding = _no_text(text_encoder).to(device, placement.dtype)
    return MarigoldMaterials(pipeline, name, placement)


@torch.no_grad()
def _no_text(text_encoder: CLIPTextModel) -> Float[Tensor, "1 2 width"]:
    """The embedding of the empty text without padding: CLIP's begin and end, its vocabulary's last tokens."""
    tokens = torch.tensor([[-2, -1]]) + text_encoder.config.vocab_size
    return text_encoder.float()(tokens).last_hidden_state
