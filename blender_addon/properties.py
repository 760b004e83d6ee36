"""What an artist chooses for the next asset; kept in the .blend, per scene."""

import bpy

from .protocol import LIMITS, LRM, MULTIVIEW, JobRequest

DEFAULTS = JobRequest(image="")
PACKS_OWN = "pack"
"""In place of a route."""


class BozzettoSettings(bpy.types.PropertyGroup):
    image: bpy.props.PointerProperty(
        name="Image",
        description="One object, seen whole, on a plain or transparent background",
        type=bpy.types.Image,
    )
    pack: bpy.props.StringProperty(
        name="Pack", description="The weights that the backend uses", default=DEFAULTS.pack
    )
    route: bpy.props.EnumProperty(
        name="Route",
        description="Way from the image to the asset's shape; each pack goes one",
        items=[
            (PACKS_OWN, "The Pack's", "Whichever the pack goes"),
            (MULTIVIEW, "Over Six Views", "The object is painted from six sides first"),
            (LRM, "Straight", "From the image at once to the shape"),
        ],
        default=PACKS_OWN,
    )
    seed: bpy.props.IntProperty(
        name="Seed",
        description="Another number gives another back side",
        default=DEFAULTS.seed,
        min=int(LIMITS["seed"].low),
        max=int(LIMITS["seed"].high),
    )
    variants: bpy.props.IntProperty(
        name="Variants",
        description="Make so many with this seed and the next ones; the best of them is placed",
        default=DEFAULTS.variants,
        min=int(LIMITS["variants"].low),
        max=int(LIMITS["variants"].high),
    )
    faces: bpy.props.IntProperty(
        name="Faces",
        description="At most this many triangles",
        default=DEFAULTS.faces,
        min=int(LIMITS["faces"].low),
        max=int(LIMITS["faces"].high),
    )
    texture_size: bpy.props.EnumProperty(
        name="Textures",
        description="Width and height of each texture map, pixels",
        items=[(str(size), f"{size} px", "") for size in (512, 1024, 2048, 4096)],
        default=str(DEFAULTS.texture_size),
    )
    height: bpy.props.FloatProperty(
        name="Height",
        description="Height of the asset in the scene",
        default=DEFAULTS.height_metres,
        min=LIMITS["height_metres"].low,
        max=LIMITS["height_metres"].high,
        unit="LENGTH",
    )
    show_textures: bpy.props.BoolProperty(
        name="Switch to Material Preview",
        description="Show the viewport's textures when the asset arrives",
        default=True,
    )

    def request(self, name: str) -> JobRequest:
        """All but the image itself."""
        return JobRequest(
            image="",
            name=name,
            pack=self.pack,
            route=None if self.route == PACKS_OWN else self.route,
            seed=self.seed,
            variants=self.variants,
            faces=self.faces,
            texture_size=int(self.texture_size),
            height_metres=self.height,
        )


def register() -> None:
    bpy.utils.register_class(BozzettoSettings)
    bpy.types.Scene.bozzetto = bpy.props.PointerProperty(type=BozzettoSettings)


def unregister() -> None:
    del bpy.types.Scene.bozzetto
    bpy.utils.unregister_class(BozzettoSettings)
