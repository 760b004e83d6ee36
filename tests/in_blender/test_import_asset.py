from __future__ import annotations

from pathlib import Path

import bpy
import pytest

from tests.blender_addon.tiny_asset import cube_glb

PARAMETERS = ("chair.png", "nano", 7, 500, 512, 1.0)


@pytest.fixture
def glb(tmp_path: Path) -> Path:
    path = tmp_path / "asset.glb"
    path.write_bytes(cube_glb())
    return path


def import_chair(glb: Path) -> bpy.types.Object:
    from blender_addon.scene.import_asset import import_asset
    from blender_addon.scene.metadata import Parameters

    return import_asset(bpy.context, glb, "chair", Parameters(*PARAMETERS))


def test_it_stands_on_the_cursor(scene: bpy.types.Scene, glb: Path) -> None:
    scene.cursor.location = (1, 2, 3)
    asset = import_chair(glb)
    corners = [asset.matrix_world @ vertex.co for vertex in asset.data.vertices]
    lowest, highest = min(c.z for c in corners), max(c.z for c in corners)
    assert tuple(asset.location) == (1, 2, 3)
    assert lowest == pytest.approx(3)
    assert highest == pytest.approx(4)
    assert [(min(c[i] for c in corners) + max(c[i] for c in corners)) / 2 for i in (0, 1)] == pytest.approx(
        [1, 2]
    )


def test_it_is_alone_named_active_and_selected(scene: bpy.types.Scene, glb: Path) -> None:
    other = bpy.data.objects.new("other", None)
    scene.collection.objects.link(other)
    other.select_set(True)
    asset = import_chair(glb)
    assert set(bpy.data.objects) == {other, asset}
    assert (asset.name, asset.data.name, asset.material_slots[0].material.name) == ("chair",) * 3
    assert bpy.context.view_layer.objects.active == asset
    assert bpy.context.selected_objects == [asset]
    assert asset.name in scene.collection.objects


def test_the_front_faces_the_front_view(scene: bpy.types.Scene, glb: Path) -> None:
    """glTF's +Z, where the reference camera stands, is Blender's -Y, where Numpad 1 looks from."""
    asset = import_chair(glb)
    rotation = asset.matrix_world.to_3x3()
    front = asset.data.polygons[4 * 2]
    assert tuple(round(x, 5) for x in rotation @ front.normal) == (0, -1, 0)


def test_textures_are_packed_in_their_colour_spaces(scene: bpy.types.Scene, glb: Path) -> None:
    asset = import_chair(glb)
    glb.unlink()
    images = {image.name: image for image in bpy.data.images if image.name.startswith("chair")}
    assert {name: image.colorspace_settings.name for name, image in images.items()} == {
        "chair base color": "sRGB",
        "chair roughness metallic": "Non-Color",
        "chair normal": "Non-Color",
    }
    assert all(image.packed_file for image in images.values())
    shader = next(n for n in asset.material_slots[0].material.node_tree.nodes if n.type == "BSDF_PRINCIPLED")
    for socket in ("Base Color", "Roughness", "Metallic", "Normal"):
        assert shader.inputs[socket].is_linked


def test_parameters_are_custom_properties(scene: bpy.types.Scene, glb: Path) -> None:
    from blender_addon.scene.metadata import Parameters, read_parameters

    asset = import_chair(glb)
    assert asset["bozzetto_seed"] == 7
    assert read_parameters(asset) == Parameters(*PARAMETERS)
    assert read_parameters(bpy.data.objects.new("stranger", None)) is None


def test_a_second_asset_gets_a_name_of_its_own(scene: bpy.types.Scene, glb: Path) -> None:
    first, second = import_chair(glb), import_chair(glb)
    assert (first.name, second.name) == ("chair", "chair.001")
    assert bpy.context.selected_objects == [second]


@pytest.mark.parametrize("nodes", [[], [{"mesh": 0}, {"mesh": 0}]])
def test_a_file_without_exactly_one_mesh_leaves_the_scene_alone(
    scene: bpy.types.Scene, tmp_path: Path, nodes: list[dict]
) -> None:
    from blender_addon.errors import ImportAssetError

    path = tmp_path / "asset.glb"
    path.write_bytes(cube_glb({"nodes": nodes, "scenes": [{"nodes": list(range(len(nodes)))}]}))
    with pytest.raises(ImportAssetError, match="meshes"):
        import_chair(path)
    assert len(bpy.data.objects) == 0


def test_damaged_meshes_are_refused(scene: bpy.types.Scene, tmp_path: Path) -> None:
    from blender_addon.errors import ImportAssetError

    path = tmp_path / "asset.glb"
    path.write_bytes(cube_glb({"accessors": []}))
    with pytest.raises(ImportAssetError, match="could not import"):
        import_chair(path)
