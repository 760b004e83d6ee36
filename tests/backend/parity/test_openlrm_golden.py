"""OpenLRM, part by part, against the original program."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from goldens import Golden, assert_same_mesh

from backend.geometry.density_surface import AXES, density_surface
from backend.models.layers.triplane_transformer import TriplaneTransformerConfig
from backend.models.layers.vision_transformer import VisionTransformerConfig
from backend.models.reconstructor.openlrm import OpenLRM, OpenLRMConfig, resize_input
from backend.models.reconstructor.openlrm_field import HALF_EXTENT
from backend.packs.public_names import OPENLRM_NAMES
from backend.packs.strict_loading import load_strictly


@pytest.fixture(scope="module")
def original(golden: Callable[..., Golden]) -> Golden:
    return golden("openlrm")


@pytest.fixture(scope="module")
def model(original: Golden) -> OpenLRM:
    vit, config = original.config["vit"], original.config["config"]
    with torch.device("meta"):
        model = OpenLRM(
            OpenLRMConfig(
                encoder=VisionTransformerConfig(
                    width=vit["embed_dim"],
                    layers=vit["depth"],
                    heads=vit["num_heads"],
                    hidden=vit["embed_dim"] * vit["mlp_ratio"],
                    patch=vit["patch_size"],
                    position_grid=vit["img_size"] // vit["patch_size"],
                    norm_eps=1e-6,
                    registers=vit["num_register_tokens"],
                    layer_scale=True,
                    resample_offset=vit["interpolate_offset"],
                    resample_antialias=vit["interpolate_antialias"],
                ),
                transformer=TriplaneTransformerConfig(
                    width=config["transformer_dim"],
                    layers=config["transformer_layers"],
                    heads=config["transformer_heads"],
                    context_width=config["encoder_feat_dim"],
                    plane_tokens=config["triplane_low_res"],
                    plane_channels=config["triplane_dim"],
                    modulation_width=config["camera_embed_dim"],
                    block_norm_eps=1e-6,
                ),
                camera_width=config["camera_embed_dim"],
            )
        )
    load_strictly(model, original.folder / "state.safetensors", OPENLRM_NAMES)
    return model.eval()


@torch.no_grad()
def test_image_and_camera(original: Golden, model: OpenLRM) -> None:
    original.check("pre_bicubic_alignTrue_84_clamped", resize_input(original.input("pre_image50"), 84))
    original.check("image_feats_cls_plus_patches", model.encoder(original.input("image")))
    original.check("camera_embeddings", model.camera_embedding(original.input("source_camera")))


@torch.no_grad()
def test_triplane_transformer(original: Golden, model: OpenLRM) -> None:
    context, camera = original.output("image_feats_cls_plus_patches"), original.output("camera_embeddings")
    tokens = model.transformer.position_embedding
    for index, block in enumerate(model.transformer.blocks):
        tokens = block(tokens, context, camera)
        original.check(f"transformer_layer{index}_out", tokens)
    original.check("planes", model.planes(original.input("image"), original.input("source_camera")))


@torch.no_grad()
def test_field(original: Golden, model: OpenLRM) -> None:
    planes = original.output("planes")[0]
    density, rgb = model.decoder(planes, original.input("query_points")[0])
    original.check("sigma_activated", density[None])
    original.check("rgb", rgb[None])
    original.check("grid20_sigma", torch.stack(list(model.density_slabs(planes, 20)))[None, ..., None])


def test_mesh(original: Golden) -> None:
    """PyMCubes gives the original's mesh whatever numbered its vertices."""
    density = original.output("grid20_sigma")[0, ..., 0].numpy()
    threshold = float(original.outputs["threshold_used"])
    vertices, faces = density_surface(density, threshold, HALF_EXTENT, AXES, capped=False)
    assert_same_mesh(
        torch.from_numpy(vertices),
        torch.from_numpy(faces),
        original.outputs["mesh_vertices"],
        original.outputs["mesh_faces"],
    )


def test_the_canonical_camera_is_the_default(original: Golden, model: OpenLRM) -> None:
    images = original.input("image")
    torch.testing.assert_close(model.planes(images), model.planes(images, original.input("source_camera")))
