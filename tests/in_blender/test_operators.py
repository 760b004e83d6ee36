from __future__ import annotations

from pathlib import Path

import bpy
import pytest

from tests.blender_addon.tiny_asset import png


def test_generate_says_what_it_waits_for(scene: bpy.types.Scene) -> None:
    assert not bpy.ops.bozzetto.generate.poll()
    scene.bozzetto.image = bpy.data.images.new("painted", 8, 8)
    assert bpy.ops.bozzetto.generate.poll()


def test_a_dropped_image_is_chosen(scene: bpy.types.Scene, tmp_path: Path) -> None:
    path = tmp_path / "chair.png"
    path.write_bytes(png((1, 2, 3)))
    assert bpy.ops.bozzetto.load_image(filepath=str(path)) == {"FINISHED"}
    assert scene.bozzetto.image.name == "chair.png"


def test_a_dropped_text_is_refused(scene: bpy.types.Scene, tmp_path: Path) -> None:
    path = tmp_path / "chair.png"
    with pytest.raises(RuntimeError, match="Not an image"):
        bpy.ops.bozzetto.load_image(filepath=str(path))
    assert scene.bozzetto.image is None


def test_generate_without_a_backend_shows_the_way_out(scene: bpy.types.Scene) -> None:
    from blender_addon import session
    from blender_addon.errors import WayOut

    scene.bozzetto.image = bpy.data.images.new("painted", 8, 8)
    with pytest.raises(RuntimeError, match="Choose Bozzetto's folder"):
        bpy.ops.bozzetto.generate()
    assert session.current().error.way_out is WayOut.SET_UP
    bpy.ops.bozzetto.dismiss()
    assert session.current().error is None


def test_a_result_can_be_selected(scene: bpy.types.Scene) -> None:
    for name in ("one", "two"):
        scene.collection.objects.link(bpy.data.objects.new(name, None))
    bpy.ops.bozzetto.select_result(name="two")
    assert [item.name for item in bpy.context.selected_objects] == ["two"]
    assert bpy.ops.bozzetto.select_result(name="three") == {"CANCELLED"}


def test_the_request_carries_the_settings(scene: bpy.types.Scene) -> None:
    settings = scene.bozzetto
    settings.seed, settings.faces, settings.texture_size, settings.height = 3, 4000, "512", 2.5
    request = settings.request("chair")
    assert (request.name, request.seed, request.faces, request.texture_size) == ("chair", 3, 4000, 512)
    assert request.height_metres == 2.5
    assert (request.pack, request.route) == ("nano", None)
    settings.route = "lrm"
    assert settings.request("chair").route == "lrm"


def test_every_route_can_be_chosen(scene: bpy.types.Scene) -> None:
    from blender_addon.properties import PACKS_OWN
    from blender_addon.protocol import ROUTES

    choices = scene.bozzetto.bl_rna.properties["route"].enum_items.keys()
    assert choices == [PACKS_OWN, *ROUTES]


def test_sources_of_an_image(scene: bpy.types.Scene, tmp_path: Path) -> None:
    from blender_addon.errors import ImageError
    from blender_addon.scene.image_bytes import image_source

    path = tmp_path / "chair.png"
    path.write_bytes(png((1, 2, 3)))
    on_disk = bpy.data.images.load(str(path))
    assert image_source(on_disk) == path
    on_disk.pack()
    assert image_source(on_disk) == path.read_bytes()
    on_disk.unpack(method="REMOVE")
    path.unlink()
    with pytest.raises(ImageError, match="gone"):
        image_source(on_disk)

    painted = bpy.data.images.new("painted", 4, 4)
    count = len(bpy.data.images)
    data = image_source(painted)
    assert data.startswith(b"\x89PNG")
    assert len(bpy.data.images) == count
