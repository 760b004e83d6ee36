"""preview.png: the reference image, the asset from the reference camera, and its three other sides."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix

PANEL = 320
"""Side of one picture, pixels."""
_BACKGROUND = 0.94
_SAMPLES = 12
_SIDES_DEGREES = (0.0, 90.0, 180.0, 270.0)
_FILL = 0.9
"""Of a side's picture, at most, by the asset."""
_SENSOR = 36.0
_FROM_GLTF = Matrix(((1, 0, 0, 0), (0, 0, -1, 0), (0, 1, 0, 0), (0, 0, 0, 1)))
"""glTF's +Y up to Blender's +Z up."""


@dataclass(frozen=True)
class ReferenceCamera:
    """The camera of the reference image, in the frame of the asset's GLB (glTF axes, metres)."""

    camera_to_world: tuple[tuple[float, ...], ...]
    """4 x 4, OpenGL camera axes."""
    focal: float
    """In half image heights."""
    centre: tuple[float, float]
    """NDC at which the optical axis meets the image."""


def render_preview(asset: bpy.types.Object, reference: Path, camera: ReferenceCamera, target: Path) -> None:
    """Write `target`. The asset is rendered with Cycles on the CPU, the one engine that needs no display."""
    with tempfile.TemporaryDirectory(prefix="bozzetto-") as folder, _studio(asset, camera) as scene:
        panels = [_read_panel(reference)]
        poses = [_around(asset, degrees) @ scene.camera.matrix_world for degrees in _SIDES_DEGREES]
        extents = [_extent(asset, pose, camera.focal) for pose in poses]
        # The reference camera need not have the whole of the other sides in its image.
        shrink = min(1.0, *(_FILL / float(np.ptp(extent, axis=0).max() / 2) for extent in extents[1:]))
        for side, (pose, extent) in enumerate(zip(poses, extents, strict=True)):
            scene.camera.matrix_world = pose
            if side:
                middle = -extent.mean(axis=0) * shrink
                _set_lens(scene.camera.data, camera.focal * shrink, (float(middle[0]), float(middle[1])))
            path = Path(folder) / f"{side}.png"
            scene.render.filepath = str(path)
            bpy.ops.render.render(write_still=True, scene=scene.name)
            panels.append(_read_panel(path))
    _write_png(np.concatenate(panels, axis=1), target)


@contextmanager
def _studio(asset: bpy.types.Object, reference: ReferenceCamera) -> Iterator[bpy.types.Scene]:
    """A scene of its own with the asset, soft light and the reference camera; nothing of it stays."""
    scene = bpy.data.scenes.new("Bozzetto preview")
    world = bpy.data.worlds.new("Bozzetto preview")
    lamp = bpy.data.lights.new("Bozzetto preview", "SUN")
    lens = bpy.data.cameras.new("Bozzetto preview")
    sun = bpy.data.objects.new("Bozzetto preview sun", lamp)
    camera = bpy.data.objects.new("Bozzetto preview camera", lens)
    try:
        for item in (asset, sun, camera):
            scene.collection.objects.link(item)
        scene.world, scene.camera = world, camera
        if world.node_tree is None:
            world.use_nodes = True
        world.node_tree.nodes["Background"].inputs["Color"].default_value = (0.6, 0.6, 0.6, 1)
        lamp.energy, lamp.angle = 1.5, math.radians(20)
        _aim(camera, asset, reference)
        # The sun hangs on the camera, up and to the left of it, so that every side is lit alike.
        sun.parent = camera
        down, sideways = math.radians(-35), math.radians(-25)
        sun.matrix_local = Matrix.Rotation(down, 4, "X") @ Matrix.Rotation(sideways, 4, "Y")
        _configure(scene)
        yield scene
    finally:
        bpy.data.objects.remove(sun)
        bpy.data.objects.remove(camera)
        bpy.data.lights.remove(lamp)
        bpy.data.cameras.remove(lens)
        bpy.data.scenes.remove(scene)
        bpy.data.worlds.remove(world)


def _aim(camera: bpy.types.Object, asset: bpy.types.Object, reference: ReferenceCamera) -> None:
    """glTF and Blender cameras share their axes; only the world turns, and the object stands elsewhere."""
    pose = _FROM_GLTF @ Matrix(reference.camera_to_world)
    camera.matrix_world = Matrix.Translation(asset.matrix_world.translation) @ pose
    _set_lens(camera.data, reference.focal, reference.centre)
    camera.data.clip_start, camera.data.clip_end = 0.01, 1000.0


def _set_lens(lens: bpy.types.Camera, focal: float, centre: tuple[float, float]) -> None:
    """As the fields of the same names in `ReferenceCamera`."""
    lens.sensor_fit, lens.sensor_width = "HORIZONTAL", _SENSOR
    lens.lens = focal * _SENSOR / 2
    lens.shift_x, lens.shift_y = (-offset / 2 for offset in centre)


def _around(asset: bpy.types.Object, degrees: float) -> Matrix:
    """A turn about the upright axis through the asset's origin."""
    origin = Matrix.Translation(asset.matrix_world.translation)
    return origin @ Matrix.Rotation(math.radians(degrees), 4, "Z") @ origin.inverted()


def _extent(asset: bpy.types.Object, pose: Matrix, focal: float) -> np.ndarray:
    """Least and greatest NDC (2, 2) of the asset for a camera that aims at the middle of its image."""
    vertices = asset.data.vertices
    corners = np.empty(3 * len(vertices), np.float32)
    vertices.foreach_get("co", corners)
    to_camera = np.array(pose.inverted() @ asset.matrix_world)
    seen = corners.reshape(-1, 3) @ to_camera[:3, :3].T + to_camera[:3, 3]
    ndc = focal * seen[:, :2] / np.maximum(-seen[:, 2:], 0.01)
    return np.stack([ndc.min(axis=0), ndc.max(axis=0)])


def _configure(scene: bpy.types.Scene) -> None:
    scene.render.engine = "CYCLES"
    scene.cycles.device = "CPU"
    scene.cycles.samples = _SAMPLES
    # Few samples, light that comes straight from sun and sky, and the denoiser: a second for four pictures.
    scene.cycles.use_denoising = True
    scene.cycles.use_adaptive_sampling = False
    scene.cycles.max_bounces = 0
    scene.render.use_persistent_data = True
    scene.render.film_transparent = True
    scene.render.resolution_x = scene.render.resolution_y = PANEL
    scene.render.resolution_percentage = 100
    scene.render.image_settings.file_format = "PNG"
    scene.render.image_settings.color_mode = "RGBA"
    # AgX would grey the base colour that the artist is to compare with the reference.
    scene.view_settings.view_transform = "Standard"


def _read_panel(path: Path) -> np.ndarray:
    """An image file as (PANEL, PANEL, 4) display values over the background, rows from the bottom."""
    image = bpy.data.images.load(str(path))
    try:
        image.scale(PANEL, PANEL)
        pixels = np.empty(PANEL * PANEL * 4, np.float32)
        image.pixels.foreach_get(pixels)
    finally:
        bpy.data.images.remove(image)
    rgba = pixels.reshape(PANEL, PANEL, 4)
    rgba[..., :3] = rgba[..., :3] * rgba[..., 3:] + _BACKGROUND * (1 - rgba[..., 3:])
    rgba[..., 3] = 1
    return rgba


def _write_png(rgba: np.ndarray, target: Path) -> None:
    height, width, _ = rgba.shape
    image = bpy.data.images.new("Bozzetto preview", width, height)
    try:
        image.pixels.foreach_set(np.ascontiguousarray(rgba).ravel())
        image.file_format = "PNG"
        image.save(filepath=str(target))
    finally:
        bpy.data.images.remove(image)
