"""Buttons: each translates between Blender and the session, and reports."""

# ruff: noqa: N801, RUF012  (Blender prescribes these class names and attributes)

from __future__ import annotations

from pathlib import Path

import bpy

from . import session
from .errors import AddonError
from .preferences import current_choice
from .scene.image_bytes import image_source

IMAGE_EXTENSIONS = ".png;.jpg;.jpeg;.webp;.bmp;.tif;.tiff"
_LONGEST_NAME = 120


class BOZZETTO_OT_generate(bpy.types.Operator):
    """Make a textured asset from the image. Blender stays free meanwhile"""

    bl_idname = "bozzetto.generate"
    bl_label = "Generate"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if context.scene.bozzetto.image is None:
            cls.poll_message_set("Choose an image first")
            return False
        if session.current().busy:
            cls.poll_message_set("Bozzetto is at work")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        settings = context.scene.bozzetto
        image_name = Path(settings.image.filepath.replace("\\", "/")).name or settings.image.name
        name = "".join(c for c in Path(image_name).stem if c.isprintable())[:_LONGEST_NAME].strip() or "asset"
        try:
            session.current().generate(
                current_choice(context),
                image_source(settings.image),
                settings.request(name),
                image_name,
                settings.show_textures,
            )
        except AddonError as error:
            session.current().error = error
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


class BOZZETTO_OT_cancel(bpy.types.Operator):
    """Stop making this asset"""

    bl_idname = "bozzetto.cancel"
    bl_label = "Cancel"

    def execute(self, context: bpy.types.Context) -> set[str]:
        session.current().cancel()
        return {"FINISHED"}


class BOZZETTO_OT_dismiss(bpy.types.Operator):
    """Put the message away"""

    bl_idname = "bozzetto.dismiss"
    bl_label = "Dismiss"

    def execute(self, context: bpy.types.Context) -> set[str]:
        session.current().dismiss()
        return {"FINISHED"}


class BOZZETTO_OT_load_image(bpy.types.Operator):
    """Choose a reference image: one object, seen whole, on a plain or transparent background"""

    bl_idname = "bozzetto.load_image"
    bl_label = "Use as Bozzetto's image"
    bl_options = {"REGISTER", "UNDO"}

    filepath: bpy.props.StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})
    filter_image: bpy.props.BoolProperty(default=True, options={"HIDDEN"})
    filter_folder: bpy.props.BoolProperty(default=True, options={"HIDDEN"})

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if self.filepath:
            return self.execute(context)
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        try:
            image = bpy.data.images.load(self.filepath, check_existing=True)
        except RuntimeError as error:
            self.report({"ERROR"}, f"Not an image that Blender can read: {error}")
            return {"CANCELLED"}
        context.scene.bozzetto.image = image
        session.current().dismiss()
        return {"FINISHED"}


class BOZZETTO_OT_set_up(bpy.types.Operator):
    """Install the backend's Python packages into the chosen folder (about 2 GB are downloaded)"""

    bl_idname = "bozzetto.set_up"
    bl_label = "Set up backend"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if session.current().busy:
            cls.poll_message_set("Bozzetto is at work")
            return False
        if not bpy.app.online_access:
            cls.poll_message_set("Allow online access in Preferences > System > Network first")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        try:
            session.current().set_up(current_choice(context))
        except AddonError as error:
            session.current().error = error
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


class BOZZETTO_OT_preferences(bpy.types.Operator):
    """Show where Bozzetto's backend is chosen"""

    bl_idname = "bozzetto.preferences"
    bl_label = "Open Preferences"

    def execute(self, context: bpy.types.Context) -> set[str]:
        bpy.ops.preferences.addon_show(module=__package__)
        return {"FINISHED"}


class BOZZETTO_OT_select_result(bpy.types.Operator):
    """Select this asset"""

    bl_idname = "bozzetto.select_result"
    bl_label = "Select"
    bl_options = {"REGISTER", "UNDO"}

    name: bpy.props.StringProperty()

    def execute(self, context: bpy.types.Context) -> set[str]:
        asset = context.view_layer.objects.get(self.name)
        if asset is None:
            self.report({"WARNING"}, f"{self.name} is no longer in this scene")
            return {"CANCELLED"}
        for item in context.selected_objects:
            item.select_set(False)
        asset.select_set(True)
        context.view_layer.objects.active = asset
        return {"FINISHED"}


class BOZZETTO_FH_image(bpy.types.FileHandler):
    """An image dropped on the 3D View becomes the reference image"""

    bl_idname = "BOZZETTO_FH_image"
    bl_label = "Bozzetto reference image"
    bl_import_operator = "bozzetto.load_image"
    bl_file_extensions = IMAGE_EXTENSIONS

    @classmethod
    def poll_drop(cls, context: bpy.types.Context) -> bool:
        return context.area is not None and context.area.type == "VIEW_3D"


_CLASSES = (
    BOZZETTO_OT_generate,
    BOZZETTO_OT_cancel,
    BOZZETTO_OT_dismiss,
    BOZZETTO_OT_load_image,
    BOZZETTO_OT_set_up,
    BOZZETTO_OT_preferences,
    BOZZETTO_OT_select_result,
    BOZZETTO_FH_image,
)


def register() -> None:
    for cls in _CLASSES:
        bpy.utils.register_class(cls)


def unregister() -> None:
    for cls in reversed(_CLASSES):
        bpy.utils.unregister_class(cls)
