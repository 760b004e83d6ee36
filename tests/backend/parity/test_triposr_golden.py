"""TripoSR, part by part, against the original program."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from goldens import Golden

from backend.models.layers.pixels import composite_grey, frame_foreground, normalise
from backend.models.layers.vision_transformer import VisionTransformerConfig
from backend.models.reconstructor.triposr import BACKGROUND, TripoSR, TripoSRConfig, resize_input
from backend.packs.public_names import TRIPOSR_NAMES, TRIPOSR_UNUSED
from backend.packs.strict_loading import load_strictly


@pytest.fixture(scope="module")
def original(golden: Callable[..., Golden]) -> Golden:
    return golden("triposr")


@pytest.fixture(scope="module")
def model(original: Golden) -> TripoSR:
    vit, config = original.config["vit"], original.config["config"]
    with torch.device("meta"):
        model = TripoSR(
            TripoSRConfig(
                encoder=VisionTransformerConfig(
                    width=vit["hidden_size"],
                    layers=vit["num_hidden_layers"],
                    heads=vit["num_attention_heads"],
                    hidden=vit["intermediate_size"],
                    position_grid=vit["image_size"] // vit["patch_size"],
                ),
                image_size=config["cond_image_size"],
                width=config["backbone"]["in_channels"],
                layers=config["backbone"]["num_layers"],
                heads=config["backbone"]["num_attention_heads"],
                plane_tokens=config["tokenizer"]["plane_size"],
                plane_channels=config["post_processor"]["out_channels"],
                hidden=config["decoder"]["n_neurons"],
                decoder_layers=config["decoder"]["n_hidden_layers"] + 1,
                radius=config["renderer"]["radius"],
            )
        )
    load_strictly(model, original.folder / "state.safetensors", TRIPOSR_NAMES, TRIPOSR_UNUSED)
    return model.eval()


@torch.no_grad()
def test_image_encoder(original: Golden, model: TripoSR) -> None:
    image = original.input("image_float_hwc").permute(2, 0, 1)[None]
    resized = resize_input(image, model.config.image_size)
    original.check("preprocessed", resized.permute(0, 2, 3, 1))
    tokens = model.encoder(normalise(resized))
    original.check("image_tokens_B_Nv_C_Nt", tokens.transpose(1, 2)[:, None])


@torch.no_grad()
def test_backbone(original: Golden, model: TripoSR) -> None:
    context = original.output("image_tokens_B_Nv_C_Nt")[:, 0].transpose(1, 2)
    tokens = original.output("triplane_tokens_in")
    hidden = model.backbone.proj_in(model.backbone.norm(tokens).transpose(1, 2))
    original.check("backbone_proj_in", hidden)
    for index, block in enumerate(model.backbone.transformer_blocks):
        hidden = block(hidden, encoder_hidden_states=context)
        original.check(f"backbone_block{index}", hidden)
    original.check("backbone_out", model.backbone(tokens, context))
    original.check("scene_codes", model.planes(original.output("preprocessed").permute(0, 3, 1, 2)))


@torch.no_grad()
def test_field(original: Golden, model: TripoSR) -> None:
    planes = original.output("scene_codes")[0]
    density, rgb = model.radiance(planes, original.input("query_points"))
    original.check("query_density_act", density)
    original.check("query_color", rgb)
    original.check("grid24_density_act", torch.stack(list(model.density_slabs(planes, 24))))


def test_input_image(golden: Callable[..., Golden]) -> None:
    preproc = golden("triposr", "preproc_")
    framed = frame_foreground(preproc.array("rgba_u8"), 0.85)
    np.testing.assert_array_equal(framed, preproc.outputs["resize_foreground_0.85"])
    flat = composite_grey(framed, BACKGROUND)
    np.testing.assert_array_equal(flat, preproc.outputs["composited_u8"])
    resized = resize_input(torch.from_numpy(flat).permute(2, 0, 1)[None] / 255, 128)
    preproc.check("processor_512_from_composited", resized.permute(0, 2, 3, 1))
