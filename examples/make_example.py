"""Model and render jug.png, the image of the README's first command. Run it with Blender's module:

.bozzetto/blender/bin/python examples/make_example.py
"""

from __future__ import annotations

import math
from pathlib import Path

import bpy

SIZE = 512
SAMPLES = 256
PROFILE = (
    # Radius and height of the jug's outline, from the foot up and back down inside.
    *((0.00, 0.00), (0.26, 0.00), (0.27, 0.03), (0.35, 0.14), (0.39, 0.28), (0.37, 0.42), (0.28, 0.56)),
    *((0.21, 0.66), (0.20, 0.74), (0.24, 0.84), (0.22, 0.84), (0.17, 0.74), (0.18, 0.64), (0.0, 0.45)),
)
STEPS = 48
CLAY_RINGS = range(3, 5)
"""Which stretches of the outline carry no glaze."""
HANDLE = ((0.20, 0.76), (0.36, 0.80), (0.50, 0.70), (0.52, 0.52), (0.46, 0.36), (0.36, 0.30))
"""Distance from the axis and height along the handle."""


def glaze(name: str, colour: tuple[float, float, float], roughness: float) -> bpy.types.Material:
    material = bpy.data.materials.new(name)
    if material.node_tree is None:
        material.use_nodes = True
    shader = material.node_tree.nodes["Principled BSDF"]
    shader.inputs["Base Color"].default_value = (*colour, 1)
    shader.inputs["Roughness"].default_value = roughness
    return material


def make_body() -> bpy.types.Object:
    """The outline turned around the axis; a wide band about the belly keeps its raw clay."""
    vertices = [on_ring(radius, height, step) for radius, height in PROFILE for step in range(STEPS)]
    faces = [
        (ring * STEPS + step, ring * STEPS + after, (ring + 1) * STEPS + after, (ring + 1) * STEPS + step)
        for ring in range(len(PROFILE) - 1)
        for step in range(STEPS)
        for after in [(step + 1) % STEPS]
    ]
    mesh = bpy.data.meshes.new("jug")
    mesh.from_pydata(vertices, [], faces)
    mesh.materials.append(glaze("blue glaze", (0.03, 0.12, 0.35), 0.18))
    mesh.materials.append(glaze("clay", (0.62, 0.30, 0.14), 0.75))
    for face in mesh.polygons:
        face.use_smooth = True
        face.material_index = int(face.index // STEPS in CLAY_RINGS)
    body = bpy.data.objects.new("jug", mesh)
    body.modifiers.new("round", "SUBSURF").render_levels = 2
    return body


def on_ring(radius: float, height: float, step: int) -> tuple[float, float, float]:
    """A point of the outline after `step` of STEPS turns, the rim drawn out to a spout as a finger does."""
    angle = math.tau * step / STEPS
    x, y = radius * math.cos(angle), radius * math.sin(angle)
    rise, towards = max(0.0, (height - 0.70) / 0.14), max(0.0, -math.cos(angle) - 0.6) / 0.4
    pull = rise * towards**2
    return x - 0.14 * pull, y, height + 0.05 * pull


def make_handle() -> bpy.types.Object:
    curve = bpy.data.curves.new("handle", "CURVE")
    curve.dimensions, curve.bevel_depth, curve.bevel_resolution = "3D", 0.045, 6
    spline = curve.splines.new("NURBS")
    spline.points.add(len(HANDLE) - 1)
    for point, (distance, height) in zip(spline.points, HANDLE, strict=True):
        point.co = (distance, 0, height, 1)
    spline.use_endpoint_u, spline.order_u = True, 3
    curve.materials.append(glaze("handle glaze", (0.03, 0.12, 0.35), 0.18))
    return bpy.data.objects.new("handle", curve)


def make_studio(scene: bpy.types.Scene) -> None:
    world = bpy.data.worlds.new("studio")
    if world.node_tree is None:
        world.use_nodes = True
    world.node_tree.nodes["Background"].inputs["Color"].default_value = (0.55, 0.57, 0.6, 1)
    scene.world = world
    key = bpy.data.objects.new("key", bpy.data.lights.new("key", "AREA"))
    key.data.energy, key.data.size = 60, 1.5
    key.location, key.rotation_euler = (-1.2, -2.0, 2.2), (math.radians(48), 0, math.radians(-30))
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    camera.data.angle = math.radians(30)
    elevation, distance = math.radians(15), 2.3
    camera.location = (0.03, -distance * math.cos(elevation), 0.43 + distance * math.sin(elevation))
    camera.rotation_euler = (math.pi / 2 - elevation, 0, 0)
    for item in (key, camera):
        scene.collection.objects.link(item)
    scene.camera = camera


def render(scene: bpy.types.Scene, target: Path) -> None:
    scene.render.engine = "CYCLES"
    scene.cycles.samples, scene.cycles.use_denoising = SAMPLES, False
    scene.render.film_transparent = True
    scene.render.resolution_x = scene.render.resolution_y = SIZE
    scene.render.image_settings.color_mode = "RGBA"
    scene.view_settings.view_transform = "Standard"
    scene.render.filepath = str(target)
    bpy.ops.render.render(write_still=True)


def main() -> None:
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    scene = bpy.context.scene
    turned = math.radians(-25)
    for item in (make_body(), make_handle()):
        item.rotation_euler.z = turned
        scene.collection.objects.link(item)
    make_studio(scene)
    render(scene, Path(__file__).with_name("jug.png"))


if __name__ == "__main__":
    main()
