"""The sidebar's Bozzetto tab and the preferences' page: drawing only."""

# ruff: noqa: N801, RUF012  (Blender prescribes these class names and attributes)

from __future__ import annotations

import textwrap

import bpy

from . import artifacts, session
from .errors import AddonError, WayOut
from .preferences import LOCAL, BozzettoPreferences
from .protocol import STAGES
from .session import Phase, Session

_STAGE_TEXTS = dict(
    zip(
        STAGES,
        (
            "Cutting out the object",
            "Painting six views",
            "Finding normals",
            "Reconstructing the field",
            "Building the mesh",
            "Baking textures",
            "Packing the asset",
        ),
        strict=True,
    )
)
_WAYS_OUT = {
    WayOut.RETRY: ("bozzetto.generate", "Try Again", "FILE_REFRESH"),
    WayOut.CHOOSE_IMAGE: ("bozzetto.load_image", "Choose Another Image", "FILE_IMAGE"),
    WayOut.PREFERENCES: ("bozzetto.preferences", "Open Preferences", "PREFERENCES"),
    WayOut.SET_UP: ("bozzetto.preferences", "Set Up in Preferences", "PREFERENCES"),
}
_PIXELS_PER_CHARACTER = 7.5


class _Sidebar:
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Bozzetto"


class BOZZETTO_PT_main(_Sidebar, bpy.types.Panel):
    bl_label = "Bozzetto"

    def draw(self, context: bpy.types.Context) -> None:
        state, settings = session.current(), context.scene.bozzetto
        column = self.layout.column()
        chooser = column.column()
        chooser.enabled = not state.busy
        chooser.template_ID_preview(settings, "image", open="image.open", hide_buttons=False)
        if state.busy:
            _draw_progress(column, state)
        else:
            button = column.row()
            button.scale_y = 1.6
            button.operator("bozzetto.generate", icon="SHADERFX")
            if settings.image is None:
                column.label(text="Choose an image, or drop one here", icon="INFO")
        if state.error is not None:
            _draw_error(column, state.error, context.region.width / context.preferences.system.ui_scale)
        if state.icons:
            _draw_views(column, state.icons)


class BOZZETTO_PT_options(_Sidebar, bpy.types.Panel):
    bl_label = "Options"
    bl_parent_id = "BOZZETTO_PT_main"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        layout, settings = self.layout, context.scene.bozzetto
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.enabled = not session.current().busy
        for name in ("seed", "variants", "faces", "texture_size", "height", "pack", "route", "show_textures"):
            layout.prop(settings, name)


class BOZZETTO_PT_results(_Sidebar, bpy.types.Panel):
    bl_label = "Results"
    bl_parent_id = "BOZZETTO_PT_main"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return bool(session.current().results)

    def draw(self, context: bpy.types.Context) -> None:
        for result in session.current().results:
            row = self.layout.row()
            button = row.operator("bozzetto.select_result", text=result.object_name, icon="MESH_DATA")
            button.name = result.object_name
            row.label(text=result.summary)


def draw_preferences(preferences: BozzettoPreferences, layout: bpy.types.UILayout) -> None:
    state = session.current()
    layout.use_property_split = True
    layout.prop(preferences, "backend", expand=True)
    if preferences.backend != LOCAL:
        layout.prop(preferences, "address")
        layout.prop(preferences, "token_file")
        return
    layout.prop(preferences, "source_folder")
    layout.prop(preferences, "backend_folder", placeholder=".bozzetto in Bozzetto's folder")
    if state.phase is Phase.SETTING_UP:
        layout.progress(factor=state.setup.fraction, text=state.setup.text)
    else:
        layout.operator("bozzetto.set_up", icon="IMPORT")
    if state.error is not None:
        for line in str(state.error).splitlines():
            layout.label(text=line, icon="ERROR")


def _draw_progress(layout: bpy.types.UILayout, state: Session) -> None:
    fraction, text = 0.0, "Starting the backend"
    if state.phase is Phase.SETTING_UP:
        fraction, text = state.setup.fraction, state.setup.text
    elif state.phase is Phase.CANCELLING:
        text = "Cancelling"
    elif state.phase is Phase.PLACING:
        fraction, text = 1.0, "Ready: leave this mode to place it"
    elif state.status is not None:
        fraction = state.status.fraction
        if state.status.stage is not None:
            text = _STAGE_TEXTS.get(state.status.stage, state.status.stage)
            if state.status.variant:
                text = f"{text}, variant {state.status.variant + 1}"
        elif state.status.queue_position:
            text = f"{state.status.queue_position} ahead in the queue"
        else:
            text = "Starting"
    layout.progress(factor=fraction, text=f"{text}  {fraction:.0%}")
    if state.phase in (Phase.CONNECTING, Phase.RUNNING):
        layout.operator("bozzetto.cancel", icon="CANCEL")


def _draw_views(layout: bpy.types.UILayout, icons: dict[str, int]) -> None:
    for names in (artifacts.RGB_VIEWS, artifacts.NORMAL_VIEWS):
        if any(name in icons for name in names):
            grid = layout.grid_flow(row_major=True, columns=3, even_columns=True, align=True)
            for name in names:
                if name in icons:
                    grid.template_icon(icon_value=icons[name], scale=4.0)
                else:
                    grid.label(text="")


def _draw_error(layout: bpy.types.UILayout, error: AddonError, width: float) -> None:
    box = layout.box()
    lines = textwrap.wrap(str(error), max(20, int(width / _PIXELS_PER_CHARACTER)))
    column = box.column(align=True)
    column.alert = True
    for index, line in enumerate(lines):
        column.label(text=line, icon="ERROR" if index == 0 else "BLANK1")
    operator, text, icon = _WAYS_OUT[error.way_out]
    row = box.row(align=True)
    row.operator(operator, text=text, icon=icon)
    row.operator("bozzetto.dismiss", text="", icon="X")


_CLASSES = (BOZZETTO_PT_main, BOZZETTO_PT_options, BOZZETTO_PT_results)


def register() -> None:
    for cls in _CLASSES:
        bpy.utils.register_class(cls)


def unregister() -> None:
    for cls in reversed(_CLASSES):
        bpy.utils.unregister_class(cls)
