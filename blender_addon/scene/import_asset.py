"""A GLB to one object at the 3D cursor, ready to be looked at."""

from __future__ import annotations

from pathlib import Path

import bpy

from ..errors import ImportAssetError
from .metadata import Parameters, write_parameters

_IMPORT_OPTIONS = {
    "import_pack_images": True,
    "merge_vertices": False,
    "import_shading": "NORMALS",
    "import_scene_as_collection": False,
    "import_select_created_objects": True,
    "import_merge_material_slots": True,
}
"""Some exist only in later versions: those that the running Blender lacks are left out."""


def import_asset(
    context: bpy.types.Context, glb: Path, name: str, parameters: Parameters
) -> bpy.types.Object:
    """Import `glb` as one object called `name`, standing on the 3D cursor, active and alone selected.

    The asset's origin is at the centre of its base, and glTF's axes are turned to Blender's by its importer
    (front to -Y). The caller makes it one undo step.

    Raises:
        ImportAssetError: the file does not hold exactly one mesh, or Blender refuses it.
    """
    before = set(bpy.data.objects)
    known = bpy.ops.import_scene.gltf.get_rna_type().properties
    options = {key: value for key, value in _IMPORT_OPTIONS.items() if key in known}
    try:
        bpy.ops.import_scene.gltf(filepath=str(glb), **options)
    except RuntimeError as error:
        raise ImportAssetError(f"Blender could not import {glb.name}: {error}") from error
    created = [item for item in bpy.data.objects if item not in before]
    meshes = [item for item in created if item.type == "MESH"]
    if len(meshes) != 1:
        for item in created:
            bpy.data.objects.remove(item)
        raise ImportAssetError(f"{glb.name} holds {len(meshes)} meshes where an asset has one.")
    asset = meshes[0]
    _stand_alone(asset, [item for item in created if item is not asset])
    _put_at_cursor(context, asset)
    _name_everything(asset, name)
    _set_colour_spaces(asset)
    write_parameters(asset, parameters)
    context.view_layer.update()
    for item in context.view_layer.objects:
        item.select_set(item is asset)
    context.view_layer.objects.active = asset
    return asset


def _stand_alone(asset: bpy.types.Object, others: list[bpy.types.Object]) -> None:
    """Drop the empties that glTF's node tree left around the mesh, keeping where the mesh is."""
    world = asset.matrix_world.copy()
    asset.parent = None
    asset.matrix_world = world
    for item in others:
        bpy.data.objects.remove(item)


def _put_at_cursor(context: bpy.types.Context, asset: bpy.types.Object) -> None:
    asset.rotation_mode = "XYZ"
    asset.location = context.scene.cursor.location
    target = context.collection
    for collection in list(asset.users_collection):
        if collection is not target:
            collection.objects.unlink(asset)
    if asset.name not in target.objects:
        target.objects.link(asset)


def _name_everything(asset: bpy.types.Object, name: str) -> None:
    asset.name = asset.data.name = name
    for slot in asset.material_slots:
        slot.material.name = name


def _set_colour_spaces(asset: bpy.types.Object) -> None:
    """Colour is sRGB; roughness, metallic and normals are numbers that no colour management may touch."""
    for slot in asset.material_slots:
        tree = slot.material.node_tree
        shader = next(node for node in tree.nodes if node.type == "BSDF_PRINCIPLED")
        for socket, content, colour_space in (
            ("Base Color", "base color", "sRGB"),
            ("Roughness", "roughness metallic", "Non-Color"),  # glTF keeps both in one image
            ("Metallic", "roughness metallic", "Non-Color"),
            ("Normal", "normal", "Non-Color"),
        ):
            for image in _images_behind(shader.inputs[socket]):
                image.colorspace_settings.name = colour_space
                image.name = f"{asset.name} {content}"
                if image.packed_file is None:
                    image.pack()


def _images_behind(socket: bpy.types.NodeSocket) -> list[bpy.types.Image]:
    found, waiting = [], [link.from_node for link in socket.links]
    while waiting:
        node = waiting.pop()
        if node.type == "TEX_IMAGE" and node.image is not None:
            found.append(node.image)
        waiting.extend(link.from_node for inner in node.inputs for link in inner.links)
    return found
