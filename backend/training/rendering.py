"""Training and evaluation views, rasterised with OpenGL (moderngl on EGL; Mesa's CPU driver is enough).

One draw gives every channel a model may learn from: shaded colour, albedo, world normal, depth, roughness and
metallic. Rendering is supersampled and averaged, so that masks carry fractional coverage.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType

import moderngl
import numpy as np
from jaxtyping import Float32, Float64, UInt8

from backend.geometry.cameras import Cameras
from backend.training.assets import Model, Part
from backend.training.environments import HEIGHT, WIDTH
from backend.training.lighting import STUDIO as STUDIO
from backend.training.lighting import Lighting as Lighting
from backend.training.lighting import random_lighting as random_lighting
from backend.training.shaders import (
    FRAGMENT,
    RESOLVE_FRAGMENT,
    RESOLVE_VERTEX,
    SHADOW_FRAGMENT,
    SHADOW_VERTEX,
    VERTEX,
)

_NEAR, _FAR = 0.05, 50.0
_SHADOW_SIZE = 256
_BASE, _SURFACE, _SURROUNDINGS, _SHADOW, _TARGETS = range(5)
"""Texture units."""


@dataclass(frozen=True)
class Rendering:
    """Channels of a batch of views, rows from the top; all zero where nothing was hit."""

    rgb: Float32[np.ndarray, "view size size 3"]
    """Shaded, sRGB, straight."""
    albedo: Float32[np.ndarray, "view size size 3"]
    """sRGB, straight."""
    alpha: Float32[np.ndarray, "view size size"]
    """Coverage in [0, 1]."""
    normal: Float32[np.ndarray, "view size size 3"]
    """World frame, unit length."""
    depth: Float32[np.ndarray, "view size size"]
    """Distance along the viewing axis."""
    roughness: Float32[np.ndarray, "view size size"]
    metallic: Float32[np.ndarray, "view size size"]


class _Batch:
    """One part of a model in the renderer's memory."""

    def __init__(
        self,
        context: moderngl.Context,
        part: Part,
        program: moderngl.Program,
        shadow_program: moderngl.Program,
    ) -> None:
        material = np.stack([part.roughness, part.metallic], axis=-1)
        corners = (part.positions, part.normals, part.uvs, part.colour)
        rows = [corner.reshape(-1, corner.shape[-1]) for corner in corners]
        packed = np.concatenate([*rows, np.repeat(material, 3, axis=0)], axis=1).astype("f4")
        self._buffer = context.buffer(packed.tobytes())
        names = ("in_position", "in_normal", "in_uv", "in_colour", "in_material")
        self._vertices = context.vertex_array(program, [(self._buffer, "3f 3f 2f 3f 2f", *names)])
        self._depth = context.vertex_array(shadow_program, [(self._buffer, "3f 40x", "in_position")])
        self.texture = _texture(context, part.texture)
        self.surface_texture = _texture(context, part.surface_texture)

    def draw(self) -> None:
        for texture, unit in ((self.texture, _BASE), (self.surface_texture, _SURFACE)):
            if texture is not None:
                texture.use(unit)
        self._vertices.render()

    def draw_depth(self) -> None:
        self._depth.render()

    def release(self) -> None:
        for resource in (self.texture, self.surface_texture, self._vertices, self._depth, self._buffer):
            if resource is not None:
                resource.release()


class Renderer:
    """An OpenGL context with a square framebuffer of `size` times `supersampling` pixels."""

    def __init__(self, size: int, supersampling: int = 2) -> None:
        self.size = size
        self.supersampling = supersampling
        self._context = moderngl.create_context(standalone=True, backend="egl")  # type: ignore[arg-type]
        side = size * supersampling
        self._targets = [
            self._context.texture((side, side), components, dtype=dtype)
            for components, dtype in ((4, "f1"), (4, "f1"), (4, "f4"), (2, "f1"))
        ]
        self._depth = self._context.depth_renderbuffer((side, side))
        self._framebuffer = self._context.framebuffer(self._targets, self._depth)
        self._program = self._context.program(vertex_shader=VERTEX, fragment_shader=FRAGMENT)
        resolve = self._context.program(vertex_shader=RESOLVE_VERTEX, fragment_shader=RESOLVE_FRAGMENT)
        for unit, name in enumerate(("shaded", "albedo", "surface", "rough_metal")):
            _assign(resolve, name, _TARGETS + unit)
        _assign(resolve, "supersampling", supersampling)
        self._whole_image = self._context.vertex_array(resolve, [])
        self._resolved = [self._context.texture((size, size), n, dtype="f4") for n in (4, 4, 4, 1)]
        self._resolved_framebuffer = self._context.framebuffer(self._resolved)
        self._shadow_program = self._context.program(
            vertex_shader=SHADOW_VERTEX, fragment_shader=SHADOW_FRAGMENT
        )
        self._shadow_map = self._context.depth_texture((_SHADOW_SIZE, _SHADOW_SIZE))
        self._shadow_map.compare_func = "<="
        self._shadow_map.repeat_x = self._shadow_map.repeat_y = False
        self._shadow_framebuffer = self._context.framebuffer(depth_attachment=self._shadow_map)
        self._surroundings = self._context.texture3d((WIDTH, HEIGHT, 6), 3, dtype="f4")
        self._surroundings.filter = (moderngl.LINEAR, moderngl.LINEAR)
        self._surroundings.repeat_y = self._surroundings.repeat_z = False
        self._uploaded: tuple[Model, list[_Batch]] | None = None
        units = {"base": _BASE, "surface_map": _SURFACE, "surroundings": _SURROUNDINGS, "shadow_map": _SHADOW}
        for name, unit in units.items():
            self._set(name, unit)

    def __enter__(self) -> Renderer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the context back; the renderer is unusable afterwards."""
        self._context.release()

    def render(
        self, model: Model, cameras: Cameras, lighting: Lighting = STUDIO, *, farthest: bool = False
    ) -> Rendering:
        """All channels of `model` from each camera; `farthest` shows the hindmost surface instead."""
        with self._context:  # several renderers may live side by side: make this one's context current
            return self._render(model, cameras, lighting, farthest)

    def _render(self, model: Model, cameras: Cameras, lighting: Lighting, farthest: bool) -> Rendering:
        self._context.enable(moderngl.DEPTH_TEST)
        self._context.disable(moderngl.CULL_FACE)
        batches = self._upload(model)
        self._light(model, lighting, batches)
        self._context.depth_func = ">" if farthest else "<"
        matrices = cameras.world_to_camera.numpy().astype(np.float64)
        frames = []
        for view in range(len(cameras)):
            projection = _projection(float(cameras.focal[view]), cameras.centre[view].numpy())
            self._set("view_projection", _bytes_of(projection @ matrices[view]))
            self._set("eye", tuple(cameras.camera_to_world[view, :3, 3].tolist()))
            self._set("axis", tuple((-cameras.camera_to_world[view, :3, 2]).tolist()))
            self._framebuffer.use()
            self._framebuffer.clear(0.0, 0.0, 0.0, 0.0, depth=0.0 if farthest else 1.0)
            for batch in batches:
                self._set("textured", batch.texture is not None)
                self._set("surface_textured", batch.surface_texture is not None)
                batch.draw()
            frames.append(self._resolve())
        return Rendering(*(np.stack(channel) for channel in zip(*frames, strict=True)))

    def _upload(self, model: Model) -> list[_Batch]:
        """The model's parts on the device; those of the model before make room."""
        if self._uploaded is None or self._uploaded[0] is not model:
            for batch in self._uploaded[1] if self._uploaded else []:
                batch.release()
            programs = (self._program, self._shadow_program)
            self._uploaded = (model, [_Batch(self._context, part, *programs) for part in model.parts])
        return self._uploaded[1]

    def _light(self, model: Model, lighting: Lighting, batches: list[_Batch]) -> None:
        """Set the lights' uniforms; fill the surroundings and the shadow map where they are asked for."""
        self._set("sky", lighting.sky)
        self._set("ground", lighting.ground)
        self._set("light_direction", lighting.directions)
        self._set("light_colour", lighting.colours)
        self._set("surrounded", lighting.environment is not None)
        if lighting.environment is not None:
            self._surroundings.write(np.ascontiguousarray(lighting.environment.layers, dtype="f4").tobytes())
        self._surroundings.use(_SURROUNDINGS)
        low, high = model.bounds()
        self._set("contact", lighting.contact)
        self._set("floor_height", float(low[1]))
        shadowed = lighting.shadows and max(lighting.colours[0]) > 0
        self._set("shadowed", shadowed)
        self._shadow_map.use(_SHADOW)
        if shadowed:
            reach = float(np.linalg.norm(high - low)) / 2
            to_shadow = _shadow_matrix(lighting.directions[0], (low + high) / 2, reach)
            self._set("to_shadow", _bytes_of(to_shadow))
            self._set("shadow_texel", 1.0 / _SHADOW_SIZE)
            _assign(self._shadow_program, "to_shadow", _bytes_of(to_shadow))
            self._context.depth_func = "<"
            self._shadow_framebuffer.use()
            self._shadow_framebuffer.clear(depth=1.0)
            for batch in batches:
                batch.draw_depth()

    def _set(self, name: str, value: object) -> None:
        _assign(self._program, name, value)

    def _resolve(self) -> tuple[np.ndarray, ...]:
        """Average the samples of each pixel, and read the channels in the order of `Rendering`."""
        for unit, target in enumerate(self._targets):
            target.use(_TARGETS + unit)
        self._context.disable(moderngl.DEPTH_TEST)
        self._resolved_framebuffer.use()
        self._whole_image.render(moderngl.TRIANGLES, vertices=3)
        self._context.enable(moderngl.DEPTH_TEST)
        light, matter, shape, metallic = (
            np.frombuffer(image.read(), dtype="f4").reshape(self.size, self.size, -1)
            for image in self._resolved
        )
        return (
            light[..., :3],
            matter[..., :3],
            light[..., 3],
            shape[..., :3],
            matter[..., 3],
            shape[..., 3],
            metallic[..., 0],
        )


def _assign(program: moderngl.Program, name: str, value: object) -> None:
    """Set a uniform; matrices come as bytes."""
    uniform = program[name]
    assert isinstance(uniform, moderngl.Uniform)
    if isinstance(value, bytes):
        uniform.write(value)
    else:
        uniform.value = value


def _projection(focal: float, centre: np.ndarray) -> np.ndarray:
    a = (_FAR + _NEAR) / (_NEAR - _FAR)
    b = 2 * _FAR * _NEAR / (_NEAR - _FAR)
    return np.array(
        [[focal, 0, -centre[0], 0], [0, focal, -centre[1], 0], [0, 0, a, b], [0, 0, -1, 0]], dtype=np.float64
    )


def _shadow_matrix(
    direction: tuple[float, float, float], centre: np.ndarray, reach: float
) -> Float64[np.ndarray, "4 4"]:
    """An orthographic view along a light that holds the ball of radius `reach` around `centre`."""
    towards = np.array(direction)
    side = np.cross(np.eye(3)[np.abs(towards).argmin()], towards)
    side /= np.linalg.norm(side)
    axes = np.stack([side, np.cross(towards, side), -towards]) / (reach * 1.02)
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = axes, -axes @ centre
    return matrix


def _bytes_of(matrix: Float64[np.ndarray, "4 4"]) -> bytes:
    """Column by column, as OpenGL reads it."""
    return bytes(matrix.T.astype("f4").tobytes())


def _texture(context: moderngl.Context, image: UInt8[np.ndarray, "h w c"] | None) -> moderngl.Texture | None:
    if image is None:
        return None
    height, width, components = image.shape
    flipped = np.ascontiguousarray(image[::-1])
    texture = context.texture((width, height), components, flipped.tobytes(), alignment=1)
    texture.build_mipmaps()
    return texture
