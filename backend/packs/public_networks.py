"""The networks that each kind of public pack holds, at the size that its configuration files say."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.controlnets.controlnet import ControlNetModel
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPVisionConfig, CLIPVisionModelWithProjection

from backend.errors import PackError
from backend.models.multiview.reference_attention import ReferenceAttentionUNet
from backend.models.reconstructor.instantmesh import InstantMesh, InstantMeshConfig
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
from backend.packs.strict_loading import NameRule

OPENLRM_IMAGE_SIZES = {512: 224, 768: 336, 1024: 448}
"""Side of the input image by the transformer's width, as the published inference settings have it (small,
base, large); the models' own config.json does not say."""

Files = Mapping[str, Path]
"""A pack's files by role (packs.manifest.files_by_role)."""


@dataclass(frozen=True)
class Network:
    """One network of a pack; its weights are the pack's file of the same role."""

    build: Callable[[], nn.Module]
    """A fresh module at full size; under `torch.device("meta")` it costs nothing."""
    rules: Sequence[NameRule] = ()
    """How the file names the module's parameters."""
    ignored: Sequence[str] = ()
    """Regular expressions of stored names that the module does without."""


def networks_of(kind: str, files: Files) -> dict[str, Network]:
    """The networks of a pack by role; configuration files among `files` are read.

    Raises:
        PackError: no such kind of public pack, or a configuration that is missing or unreadable.
    """
    if kind not in KINDS:
        raise PackError(f"There is no kind of public pack {kind!r}. Known are: {', '.join(sorted(KINDS))}.")
    return KINDS[kind](files)


def _zero123plus_instantmesh(files: Files) -> dict[str, Network]:
    vision = CLIPVisionConfig.from_dict(read_json(files, "vision_encoder_config"))
    return {
        "unet": Network(_diffusers_model(ReferenceAttentionUNet, files, "unet_config")),
        "controlnet": Network(_diffusers_model(ControlNetModel, files, "controlnet_config")),
        "vae": _vae(files),
        "text_encoder": _text_encoder(files),
        "vision_encoder": Network(lambda: CLIPVisionModelWithProjection(vision), (), CLIP_UNUSED),
        "reconstructor": Network(lambda: InstantMesh(InstantMeshConfig()), INSTANTMESH_NAMES),
    }


def _marigold(files: Files) -> dict[str, Network]:
    return {
        "unet": Network(_diffusers_model(UNet2DConditionModel, files, "unet_config")),
        "vae": _vae(files),
        "text_encoder": _text_encoder(files),
    }


def _diffusers_model(model: Any, files: Files, role: str) -> Callable[[], nn.Module]:
    config = read_json(files, role)
    return lambda: model.from_config(config)


def _vae(files: Files) -> Network:
    return Network(_diffusers_model(AutoencoderKL, files, "vae_config"), LEGACY_VAE_NAMES)


def _text_encoder(files: Files) -> Network:
    config = CLIPTextConfig.from_dict(read_json(files, "text_encoder_config"))
    return Network(lambda: CLIPTextModel(config), CLIP_TEXT_NAMES, CLIP_UNUSED)


def _triposr(files: Files) -> dict[str, Network]:
    """TripoSR was published at one size, so its config.yaml has nothing to choose."""
    return {"reconstructor": Network(lambda: TripoSR(TripoSRConfig()), TRIPOSR_NAMES, TRIPOSR_UNUSED)}


def _openlrm(files: Files) -> dict[str, Network]:
    config = openlrm_config(read_json(files, "config"))
    return {"reconstructor": Network(lambda: OpenLRM(config), OPENLRM_NAMES)}


def openlrm_config(public: Mapping[str, Any]) -> OpenLRMConfig:
    """OpenLRM's config.json, which holds its constructor's arguments, in our terms.

    Raises:
        PackError: an argument is missing, or the size is not one of those published.
    """
    default = OpenLRMConfig()
    try:
        encoder_width, width = public["encoder_feat_dim"], public["transformer_dim"]
        encoder = replace(
            default.encoder, width=encoder_width, heads=encoder_width // 64, hidden=4 * encoder_width
        )
        transformer = replace(
            default.transformer,
            width=width,
            layers=public["transformer_layers"],
            heads=public["transformer_heads"],
            context_width=encoder_width,
            plane_channels=public["triplane_dim"],
            modulation_width=public["camera_embed_dim"],
        )
        return OpenLRMConfig(
            encoder, transformer, OPENLRM_IMAGE_SIZES[width], camera_width=public["camera_embed_dim"]
        )
    except KeyError as error:
        raise PackError(f"OpenLRM's config.json does not know {error}: is it the pack's file?") from error


def read_json(files: Files, role: str) -> dict[str, Any]:
    """One of the pack's configuration files.

    Raises:
        PackError: it is missing or holds no JSON object.
    """
    try:
        data = json.loads(files[role].read_text(encoding="utf-8"))
    except KeyError as error:
        raise PackError(f"The pack has no file with the role {role!r}: install it again.") from error
    except (OSError, ValueError) as error:
        raise PackError(f"{files[role]} is no readable JSON ({error}): install the pack again.") from error
    if not isinstance(data, dict):
        raise PackError(f"{files[role]} holds no JSON object: install the pack again.")
    return data


KINDS: dict[str, Callable[[Files], dict[str, Network]]] = {
    "zero123plus-instantmesh": _zero123plus_instantmesh,
    "triposr": _triposr,
    "openlrm": _openlrm,
    "marigold-iid": _marigold,
    "foreground": lambda files: {},  # an ONNX graph, which brings its own parameter list
}
