"""Bozzetto for Blender: one reference image to a textured asset, made by a backend process beside Blender.

Importing this package does nothing and needs no Blender, so that its bpy-free parts can be used and tested
without one.
"""


def register() -> None:
    from . import batch, operators, panels, preferences, properties, session

    for module in (preferences, properties, session, operators, panels, batch):
        module.register()


def unregister() -> None:
    from . import batch, operators, panels, preferences, properties, session

    for module in (batch, panels, operators, session, properties, preferences):
        module.unregister()
