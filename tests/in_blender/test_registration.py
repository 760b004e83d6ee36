from __future__ import annotations

import gc
import weakref

import addon_utils
import bpy


def bozzetto_classes() -> set[str]:
    return {name for name in dir(bpy.types) if name.startswith(("BOZZETTO_", "Bozzetto"))}


def test_register_unregister_register_leaves_nothing_behind(addon: str) -> None:
    from blender_addon import session

    classes = bozzetto_classes()
    assert "BOZZETTO_OT_generate" in classes
    timer = session.current().queue._timer
    bpy.app.timers.register(timer, first_interval=1000)
    old = weakref.ref(session.current())

    addon_utils.disable(addon)
    assert bozzetto_classes() == set()
    assert not hasattr(bpy.types.Scene, "bozzetto")
    assert not bpy.app.timers.is_registered(timer)
    del timer
    gc.collect()
    assert old() is None

    addon_utils.enable(addon)
    assert bozzetto_classes() == classes
    assert session.current() is not None


def test_the_command_is_offered(addon: str) -> None:
    from blender_addon import batch

    assert batch.COMMAND == "bozzetto"
    assert batch._handle is not None


def test_images_can_be_dropped_on_the_viewport(addon: str) -> None:
    handler = bpy.types.BOZZETTO_FH_image
    assert ".png" in handler.bl_file_extensions
    assert handler.bl_import_operator == "bozzetto.load_image"
    assert bpy.ops.bozzetto.load_image.get_rna_type().properties["filepath"].is_skip_save
