"""InstantMesh and InstantNeRF, part by part, against the original programs."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from goldens import Golden, assert_same_mesh

from backend.errors import EmptySurfaceError
from backend.geometry.cameras import six_view_cameras
from backend.geometry.density_surface import density_surface
from backend.models.layers.pixels import frame_foreground, normalise
from backend.models.layers.triplane import LRM_AXES, sample_triplane
from backend.models.layers.triplane_transformer import TriplaneTransformerConfig
from backend.models.layers.vision_transformer import VisionTransformerConfig
from backend.models.multiview.zero123plus import split_grid
from backend.models.reconstructor.instantmesh import (
    InstantMesh,
    InstantMeshConfig,
    InstantNeRF,
    resize_views,
)
from backend.models.reconstructor.instantmesh_field import CAMERA_DISTANCE, camera_vectors
from backend.models.reconstructor.instantmesh_surface import extract_mesh, mesh_of_grid, sdf_grid
from backend.packs.public_names import INSTANTMESH_NAMES
from backend.packs.strict_loading import load_strictly


def small_config(golden: Golden) -> InstantMeshConfig:
    vit, model = golden.config["vit"], golden.config["config"]
    return InstantMeshConfig(
        encoder=VisionTransformerConfig(
            width=vit["hidden_size"],
            layers=vit["num_hidden_layers"],
            heads=vit["num_attention_heads"],
            hidden=vit["intermediate_size"],
            patch=vit["patch_size"],
            position_grid=vit["image_size"] // vit["patch_size"],
            norm_eps=vit["layer_norm_eps"],
            modulation_width=vit["hidden_size"],
        ),
        transformer=TriplaneTransformerConfig(
            width=model["transformer_dim"],
            layers=model["transformer_layers"],
            heads=model["transformer_heads"],
            context_width=model["encoder_feat_dim"],
            plane_tokens=model["triplane_low_res"],
            plane_channels=model["triplane_dim"],
        ),
        grid_cells=model.get("grid_res", 128),
        grid_size=model.get("grid_scale", 2.1),
    )


@pytest.fixture(scope="module")
def mesh_golden(golden: Callable[..., Golden]) -> Golden:
    return golden("instantmesh", "mesh_")


@pytest.fixture(scope="module")
def model(mesh_golden: Golden) -> InstantMesh:
    with torch.device("meta"):
        model = InstantMesh(small_config(mesh_golden))
    load_strictly(model, mesh_golden.folder / "mesh_state.safetensors", INSTANTMESH_NAMES)
    return model.eval()


@torch.no_grad()
def test_image_encoder(mesh_golden: Golden, model: InstantMesh) -> None:
    images, cameras = mesh_golden.input("images"), mesh_golden.input("cameras")
    pixels = normalise(images[0])
    mesh_golden.check("encoder_pixel_values", pixels)
    mesh_golden.check("vit_embeddings", model.encoder.transformer.embed(pixels))
    mesh_golden.check("camera_embeddings", model.encoder.camera_embedding(cameras))
    tokens = model.encoder(images, cameras)
    mesh_golden.check("image_feats", tokens.reshape(6, -1, tokens.shape[-1]))


@torch.no_grad()
def test_triplane_transformer(mesh_golden: Golden, model: InstantMesh) -> None:
    context = mesh_golden.output("image_feats").flatten(0, 1)[None]
    tokens = model.transformer.position_embedding
    for index, block in enumerate(model.transformer.blocks):
        tokens = block(tokens, context, None)
        mesh_golden.check(f"transformer_layer{index}_out", tokens)
    mesh_golden.check("planes", model.transformer(context))
    mesh_golden.check("planes", model.planes(mesh_golden.input("images"), mesh_golden.input("cameras")))


@torch.no_grad()
def test_sampling_and_colour(mesh_golden: Golden, model: InstantMesh) -> None:
    planes, points = mesh_golden.output("planes"), mesh_golden.input("query_points")
    features = sample_triplane(planes, points, LRM_AXES)
    mesh_golden.check("sampled_plane_features", features.unflatten(-1, (3, -1)).transpose(1, 2))
    mesh_golden.check("rgb_at_query_points", model.rgb(planes[0], points[0])[None])


@torch.no_grad()
def test_geometry_heads(mesh_golden: Golden, model: InstantMesh) -> None:
    planes, vertices = mesh_golden.output("planes")[0], mesh_golden.output("grid_verts")
    features = model.features(planes, vertices)
    mesh_golden.check("raw_sdf", model.decoder.sdf(features)[None])
    mesh_golden.check("raw_deformation", model.decoder.deformation(features)[None])
    corners = features[mesh_golden.output("grid_indices")]
    mesh_golden.check("raw_weight", model.decoder.cell_weights(corners)[None])


@torch.no_grad()
def test_mesh(mesh_golden: Golden, model: InstantMesh) -> None:
    planes = mesh_golden.output("planes")[0]
    mesh_golden.check("raw_sdf", sdf_grid(model, planes).reshape(1, -1, 1))
    sdf = mesh_golden.output("raw_sdf")
    side = model.config.grid_cells + 1
    # On the original's own distances: the golden has a vertex at exactly zero, where rounding decides.
    vertices, faces = mesh_of_grid(model, planes, sdf.reshape(side, side, side))
    assert_same_mesh(
        vertices,
        faces,
        mesh_golden.outputs["mesh_vertices"],
        mesh_golden.outputs["mesh_faces"],
        zero_distances=int((sdf == 0).sum()),
    )
    original = mesh_golden.output("extract_vertices")
    colours = (model.rgb(planes, original).clamp(0, 1) * 255).byte()
    assert (colours.int() - mesh_golden.output("extract_vertex_colors_u8").int()).abs().max() <= 1


@torch.no_grad()
def test_a_field_without_a_surface_says_so(mesh_golden: Golden, model: InstantMesh) -> None:
    outside = copy.deepcopy(model)
    torch.nn.init.constant_(outside.decoder.sdf[-1].bias, 1000.0)
    with pytest.raises(EmptySurfaceError, match="outside"):
        extract_mesh(outside, mesh_golden.output("planes")[0])


@torch.no_grad()
def test_radiance_field(golden: Callable[..., Golden]) -> None:
    nerf = golden("instantmesh", "nerf_")
    with torch.device("meta"):
        model = InstantNeRF(small_config(nerf))
    load_strictly(model, nerf.folder / "nerf_state.safetensors", INSTANTMESH_NAMES)
    planes = model.eval().planes(nerf.input("images"), nerf.input("cameras"))
    nerf.check("planes", planes)
    density, rgb = model.decoder(planes[0], nerf.input("query_points")[0])
    nerf.check("sigma_activated", density[None])
    nerf.check("rgb", rgb[None])
    nerf.check("grid20_sigma", torch.stack(list(model.decoder.density_slabs(planes[0], 20)))[None, ..., None])


def test_radiance_fields_mesh(golden: Callable[..., Golden]) -> None:
    nerf = golden("instantmesh", "nerf_")
    density = nerf.output("grid20_sigma")[0, ..., 0].numpy()
    threshold = float(nerf.outputs["mesh_threshold_used"])
    vertices, faces = density_surface(density, threshold, 1.0, capped=False)
    np.testing.assert_array_equal(faces, nerf.outputs["faces"])
    np.testing.assert_allclose(vertices, nerf.outputs["vertices"], atol=1e-6)


def test_views_and_cameras(golden: Callable[..., Golden]) -> None:
    inputs = golden("instantmesh", "preproc_")
    framed = frame_foreground(inputs.array("rgba_u8"), 0.85)
    np.testing.assert_array_equal(framed, inputs.outputs["resize_foreground_0.85"])
    inputs.check("views40_resized_to_64", resize_views(inputs.input("views40")[0], 64)[None])
    inputs.check("grid_split", split_grid(inputs.input("grid_3x2")))
    inputs.check("zero123plus_input_cameras_r4", camera_vectors(six_view_cameras(CAMERA_DISTANCE))[None])
