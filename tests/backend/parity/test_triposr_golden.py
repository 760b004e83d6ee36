"""TripoSR, part by part, against the original program."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from goldens import TOLERANCE, Golden, assert_same_mesh, sorted_faces
from scipy.spatial import KDTree

from backend.geometry.density_surface import TORCHMCUBES_AXES, density_surface
from backend.geometry.texels import rasterise_texels
from backend.models.layers.pixels import composite_grey, frame_foreground, normalise
from backend.models.layers.vision_transformer import VisionTransformerConfig
from backend.models.reconstructor.triposr import BACKGROUND, TripoSR, TripoSRConfig, resize_input
from backend.models.reconstructor.triposr_field import THRESHOLD
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


def test_smooth_mesh(original: Golden) -> None:
    density = original.array("mc_density_ellipsoid")
    vertices, faces = density_surface(density, THRESHOLD, 0.5, TORCHMCUBES_AXES, capped=False)
    assert_same_mesh(
        torch.from_numpy(vertices + 0.5),
        torch.from_numpy(faces),
        original.outputs["mc_vertices_unit"],
        original.outputs["mc_faces"],
    )


def test_mesh(original: Golden) -> None:
    """Triangle for triangle the original's.

    torchmcubes moves a vertex to the grid where its end's value is within 1e-4 of the threshold, and numbers
    such vertices apart or together; so positions are compared, after the same move, and not numbers.
    """
    density, radius = original.outputs["grid24_density_act"], original.config["config"]["renderer"]["radius"]
    threshold = float(original.outputs["threshold_used"])
    vertices, faces = density_surface(density, threshold, radius, TORCHMCUBES_AXES, capped=False)
    cells = (vertices / radius + 1) / 2 * (len(density) - 1)
    ours = _snapped(cells, density, threshold)
    theirs = (original.outputs["mesh_vertices"] / radius + 1) / 2 * (len(density) - 1)
    places, place_of_ours = np.unique(ours, axis=0, return_inverse=True)
    distance, place_of_theirs = KDTree(places).query(theirs)
    assert distance.max() < 1e-4
    expected = place_of_theirs[original.outputs["mesh_faces"].astype(np.int64)]
    found = place_of_ours.reshape(-1)[faces]
    np.testing.assert_array_equal(sorted_faces(np.sort(found)), sorted_faces(np.sort(expected)))
    np.testing.assert_array_equal(_proper(found), _proper(expected))


@torch.no_grad()
def test_baked_texels(original: Golden, model: TripoSR) -> None:
    """The original's map, row 0 at v = 0: where the texels lie on the surface, and the colours there."""
    size, vertices = 256, original.array("bake_mesh_vertices").astype(np.float32)
    faces = original.array("bake256_indices").astype(np.int32)
    texels = rasterise_texels(original.array("bake256_uvs"), faces, size)
    split = vertices[original.array("bake256_vmapping")]
    wanted = original.outputs["bake256_positions"][::-1].reshape(-1, 4)
    assert (wanted[texels.index, 3] == 1).all(), "no texel of an island is missing in the original's"
    difference = np.abs(texels.hits.interpolate(faces, split) - wanted[texels.index, :3]).max(axis=1)
    print("positions: largest difference", difference.max() / np.abs(vertices).max())
    assert difference.max() <= TOLERANCE * np.abs(vertices).max()
    colours = original.outputs["bake256_colors_rgba"][::-1].reshape(-1, 4)[:, :3]
    known = torch.from_numpy(wanted[texels.index, :3].copy())
    _, rgb = model.radiance(original.output("scene_codes")[0], known)
    assert np.abs(rgb.numpy() - colours[texels.index]).max() <= TOLERANCE


def _snapped(vertices: np.ndarray, density: np.ndarray, threshold: float) -> np.ndarray:
    """Vertices, in cells, at the end of their grid edge whose density is the threshold."""
    near = vertices.copy()
    for low in (np.floor(vertices + 1e-4), np.ceil(vertices - 1e-4)):
        at = density[tuple(low.astype(int).T)]
        moved = (np.abs(at - threshold) < 1e-4) & (near == vertices).all(axis=1)
        near[moved] = low[moved]
    return near


def _proper(faces: np.ndarray) -> np.ndarray:
    """Oriented faces without those that moving vertices has flattened."""
    apart = (faces != np.roll(faces, 1, axis=1)).all(axis=1)
    return sorted_faces(faces[apart])


def test_input_image(golden: Callable[..., Golden]) -> None:
    preproc = golden("triposr", "preproc_")
    framed = frame_foreground(preproc.array("rgba_u8"), 0.85)
    np.testing.assert_array_equal(framed, preproc.outputs["resize_foreground_0.85"])
    flat = composite_grey(framed, BACKGROUND)
    np.testing.assert_array_equal(flat, preproc.outputs["composited_u8"])
    resized = resize_input(torch.from_numpy(flat).permute(2, 0, 1)[None] / 255, 128)
    preproc.check("processor_512_from_composited", resized.permute(0, 2, 3, 1))
