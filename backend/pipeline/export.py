"""Stage 7: the GLB, and how faithful the asset is to the reference image."""

from __future__ import annotations

from typing import Any

import numpy as np
import trimesh
from jaxtyping import Float32
from PIL import Image

from backend.geometry.register_reference import mask_iou
from backend.geometry.render import render_unlit, shrink
from backend.pipeline.stage_data import Fidelity, Foreground, TexturedMesh

FIDELITY_SIZE = 512
"""Largest side at which asset and reference are compared, pixels."""


def export_glb(textured: TexturedMesh, *, name: str, height_metres: float) -> bytes:
    """A binary glTF 2.0 file: one mesh, one metallic-roughness material, textures embedded as PNG.

    +Y up, the front towards +Z (glTF 2.0, section 3.4), in metres, the origin at the centre of the base.
    """
    maps = textured.maps
    packed = np.stack([np.full_like(maps.roughness, 255), maps.roughness, maps.metallic], axis=-1)
    material = trimesh.visual.material.PBRMaterial(
        name=name,
        baseColorTexture=Image.fromarray(maps.base_color),
        metallicRoughnessTexture=Image.fromarray(packed),
        normalTexture=Image.fromarray(maps.normal),
        baseColorFactor=[255, 255, 255, 255],
        metallicFactor=1.0,
        roughnessFactor=1.0,
    )
    mesh = trimesh.Trimesh(
        vertices=_on_the_ground(textured.vertices, height_metres),
        faces=textured.faces,
        vertex_normals=textured.normals,
        vertex_attributes={"tangent": textured.tangents},
        visual=trimesh.visual.TextureVisuals(uv=textured.uvs, material=material),
        process=False,
    )
    scene = trimesh.Scene()
    scene.add_geometry(mesh, node_name=name, geom_name=name)
    return trimesh.exchange.gltf.export_glb(scene, include_normals=True, tree_postprocessor=_name_parts)


def reference_camera_of_glb(textured: TexturedMesh, height_metres: float) -> dict[str, Any]:
    """The camera of the reference image in the GLB's frame and metres, for whoever renders the GLB.

    camera_to_world (4 x 4, OpenGL axes), focal (half image heights), centre (NDC), as in geometry.cameras.
    """
    base, scale = _base_and_scale(textured.vertices, height_metres)
    camera = textured.reference_camera
    pose = camera.camera_to_world[0].detach().double().cpu().numpy().copy()
    pose[:3, 3] = (pose[:3, 3] - base) * scale
    return {
        "camera_to_world": pose.tolist(),
        "focal": float(camera.focal[0]),
        "centre": [float(offset) for offset in camera.centre[0]],
    }


def render_from_reference(textured: TexturedMesh, size: int) -> Float32[np.ndarray, "size size 4"]:
    """The asset, unlit, as the reference camera sees it; sRGB with straight alpha."""
    return render_unlit(
        textured.vertices,
        textured.faces,
        textured.uvs,
        textured.maps.base_color,
        textured.reference_camera,
        size,
        supersampling=2,
    )[0]


def measure_fidelity(textured: TexturedMesh, foreground: Foreground) -> Fidelity:
    """The asset rendered unlit from the reference camera against the foreground crop."""
    size = min(FIDELITY_SIZE, foreground.image.shape[0])
    rendered = render_from_reference(textured, size)
    wanted = shrink(foreground.image, size)
    rendered_mask, wanted_mask = rendered[..., 3] > 0.5, wanted[..., 3] > 0.5
    union = rendered_mask | wanted_mask
    error = float(np.mean((_over_white(rendered)[union] - _over_white(wanted)[union]) ** 2))
    return Fidelity(mask_iou(rendered_mask, wanted_mask), -10 * float(np.log10(max(error, 1e-10))))


def _on_the_ground(vertices: Float32[np.ndarray, "vertex 3"], height_metres: float) -> np.ndarray:
    base, scale = _base_and_scale(vertices, height_metres)
    return ((vertices - base) * scale).astype(np.float32)


def _base_and_scale(
    vertices: Float32[np.ndarray, "vertex 3"], height_metres: float
) -> tuple[np.ndarray, float]:
    """Centre of the box's lower side, and metres a unit: position in the GLB = (position - base) * scale."""
    lowest, highest = vertices.min(axis=0), vertices.max(axis=0)
    base = np.array([(lowest[0] + highest[0]) / 2, lowest[1], (lowest[2] + highest[2]) / 2])
    return base, float(height_metres / (highest[1] - lowest[1]))


def _name_parts(tree: dict[str, Any]) -> None:
    """Name the images, and the tangents, which trimesh takes for application-specific data."""
    (mesh,), (material,) = tree["meshes"], tree["materials"]
    (primitive,) = mesh["primitives"]
    primitive["attributes"]["TANGENT"] = primitive["attributes"].pop("_tangent")
    surface = material["pbrMetallicRoughness"]
    for name, texture in (
        ("base_color", surface["baseColorTexture"]),
        ("roughness_metallic", surface["metallicRoughnessTexture"]),
        ("normal", material["normalTexture"]),
    ):
        source = tree["textures"][texture["index"]]["source"]
        tree["images"][source]["name"] = f"{material['name']} {name}"


def _over_white(rgba: Float32[np.ndarray, "size size 4"]) -> Float32[np.ndarray, "size size 3"]:
    return rgba[..., :3] * rgba[..., 3:] + 1 - rgba[..., 3:]
