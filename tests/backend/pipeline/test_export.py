from __future__ import annotations

import io
import json
import struct
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

from backend.geometry.cameras import Cameras, orbit_cameras
from backend.geometry.render import render_unlit
from backend.pipeline.export import export_glb, measure_fidelity, reference_camera_of_glb
from backend.pipeline.stage_data import Foreground, Mesh, TexturedMesh
from tests.backend.geometry.analytic_fields import capsules
from tests.backend.geometry.painted_asset import bake_painted
from tests.backend.geometry.painting import mean_colour_error, paint_pictures


@cache
def asset() -> tuple[Mesh, TexturedMesh, Foreground]:
    mesh, textured, _, foreground = bake_painted(capsules(), faces=1200)
    return mesh, textured, foreground


@cache
def glb() -> bytes:
    return export_glb(asset()[1], name="small vase", height_metres=1.7)


def document() -> dict[str, Any]:
    magic, version, length = struct.unpack("<4sII", glb()[:12])
    assert (magic, version, length) == (b"glTF", 2, len(glb()))
    json_length, kind = struct.unpack("<I4s", glb()[12:20])
    assert kind == b"JSON"
    return json.loads(glb()[20 : 20 + json_length])


def view_bytes(tree: dict[str, Any], index: int) -> bytes:
    view = tree["bufferViews"][index]
    start = 20 + struct.unpack("<I", glb()[12:16])[0] + 8 + view.get("byteOffset", 0)
    return glb()[start : start + view["byteLength"]]


def loaded() -> trimesh.Trimesh:
    scene = trimesh.load(io.BytesIO(glb()), file_type="glb", process=False)
    (mesh,) = scene.geometry.values()
    assert np.allclose(scene.graph[scene.graph.nodes_geometry[0]][0], np.eye(4))
    return mesh


def test_one_named_mesh_with_one_complete_material() -> None:
    tree = document()
    (mesh,), (material,), (node,) = tree["meshes"], tree["materials"], tree["nodes"]
    (primitive,) = mesh["primitives"]
    assert set(primitive["attributes"]) == {"POSITION", "NORMAL", "TANGENT", "TEXCOORD_0"}
    assert {mesh["name"], material["name"], node["name"]} == {"small vase"}
    surface = material["pbrMetallicRoughness"]
    assert {"baseColorTexture", "metallicRoughnessTexture"} <= set(surface)
    assert surface["metallicFactor"] == surface["roughnessFactor"] == 1
    assert surface["baseColorFactor"] == [1, 1, 1, 1]
    assert "normalTexture" in material
    assert {image["name"].removeprefix("small vase ") for image in tree["images"]} == {
        "base_color",
        "roughness_metallic",
        "normal",
    }
    assert all(image["mimeType"] == "image/png" and "uri" not in image for image in tree["images"])


def test_tangents_are_written_as_four_floats() -> None:
    tree, textured = document(), asset()[1]
    accessor = tree["accessors"][tree["meshes"][0]["primitives"][0]["attributes"]["TANGENT"]]
    assert (accessor["type"], accessor["componentType"]) == ("VEC4", 5126)
    raw = view_bytes(tree, accessor["bufferView"])
    assert np.array_equal(np.frombuffer(raw, "<f4").reshape(-1, 4), textured.tangents)


def test_textures_are_the_maps_packed_as_gltf_packs_them() -> None:
    tree, maps = document(), asset()[1].maps

    def picture(texture: dict[str, int]) -> np.ndarray:
        source = tree["images"][tree["textures"][texture["index"]]["source"]]
        return np.asarray(Image.open(io.BytesIO(view_bytes(tree, source["bufferView"]))))

    (material,) = tree["materials"]
    surface = material["pbrMetallicRoughness"]
    assert np.array_equal(picture(surface["baseColorTexture"]), maps.base_color)
    assert np.array_equal(picture(material["normalTexture"]), maps.normal)
    packed = picture(surface["metallicRoughnessTexture"])
    assert np.array_equal(packed[..., 1], maps.roughness)
    assert np.array_equal(packed[..., 2], maps.metallic)


def test_it_stands_on_the_ground_in_metres() -> None:
    lowest, highest = loaded().bounds
    assert lowest[1] == pytest.approx(0, abs=1e-6)
    assert highest[1] == pytest.approx(1.7, abs=1e-5)
    assert np.allclose((lowest + highest)[[0, 2]], 0, atol=1e-5)
    extent = asset()[0].vertices.max(0) - asset()[0].vertices.min(0)
    assert np.allclose((highest - lowest) / 1.7, extent / extent[1], atol=1e-5)


def test_read_back_it_looks_like_the_field_from_all_sides() -> None:
    mesh, back = asset()[0], loaded()
    base_color = np.asarray(back.visual.material.baseColorTexture.convert("RGB"))
    vertices = (np.asarray(back.vertices) - [0, back.bounds[1, 1] / 2, 0]).astype(np.float32)
    height = mesh.vertices[:, 1].max() - mesh.vertices[:, 1].min()
    cameras = orbit_cameras([0, 50, 120, 180, 270], [15, 10, -20, 0, 30], 2.8)
    images = render_unlit(
        vertices * (height / 1.7), back.faces, back.visual.uv.astype(np.float32), base_color, cameras, 160
    )
    truth = paint_pictures(mesh, cameras, 160, in_model_frame=False)
    for image, wanted in zip(images, truth, strict=True):
        assert np.mean((image[..., 3] > 0.5) != (wanted[..., 3] > 0.5)) < 0.005
        assert mean_colour_error(image, wanted) < 0.03


def test_fidelity_of_a_good_a_recoloured_and_a_moved_asset() -> None:
    _, textured, foreground = asset()
    good = measure_fidelity(textured, foreground)
    assert good.mask_iou > 0.96
    assert good.psnr > 20
    inverted = replace(textured, maps=replace(textured.maps, base_color=255 - textured.maps.base_color))
    assert measure_fidelity(inverted, foreground).psnr < 10
    camera = replace(textured.reference_camera, centre=textured.reference_camera.centre + 0.2)
    assert measure_fidelity(replace(textured, reference_camera=camera), foreground).mask_iou < 0.7


def test_the_reference_camera_moves_with_the_glb() -> None:
    _, textured, _ = asset()
    told = reference_camera_of_glb(textured, height_metres=1.7)
    camera = Cameras(
        torch.tensor([told["camera_to_world"]]), torch.tensor([told["focal"]]), torch.tensor([told["centre"]])
    )
    in_glb, _ = camera.project(torch.tensor(np.asarray(loaded().vertices), dtype=torch.float32))
    before, _ = textured.reference_camera.project(torch.from_numpy(textured.vertices))
    assert torch.allclose(in_glb, before, atol=1e-4)
