"""Training and evaluation views, rasterised with OpenGL (moderngl on EGL; Mesa's CPU driver is enough).

One draw gives every channel a model may learn from: shaded colour, albedo, world normal, depth, roughness and
metallic. Rendering is supersampled and averaged, so that masks carry fractional coverage.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType

import moderngl
import numpy as np
from jaxtyping import Float32

from backend.geometry.cameras import Cameras
from backend.training.assets import Model

_NEAR, _FAR = 0.05, 50.0
_Resource = moderngl.VertexArray | moderngl.Buffer | moderngl.Texture

_VERTEX = """
#version 330
uniform mat4 view_projection;
in vec3 in_position; in vec3 in_normal; in vec2 in_uv; in vec3 in_colour; in vec2 in_material;
out vec3 position; out vec3 normal; out vec2 uv; out vec3 colour; out vec2 material;
void main() {
    position = in_position; normal = in_normal; uv = in_uv; colour = in_colour; material = in_material;
    gl_Position = view_projection * vec4(in_position, 1.0);
}
"""

_FRAGMENT = """
#version 330
uniform sampler2D base; uniform bool textured; uniform vec3 eye; uniform vec3 axis;
uniform vec3 sky; uniform vec3 ground; uniform vec3 light_direction[2]; uniform vec3 light_colour[2];
in vec3 position; in vec3 normal; in vec2 uv; in vec3 colour; in vec2 material;
layout(location = 0) out vec4 shaded;    // sRGB
layout(location = 1) out vec4 albedo;    // sRGB
layout(location = 2) out vec4 surface;   // world normal, depth
layout(location = 3) out vec2 rough_metal;
vec3 to_linear(vec3 c) { return mix(c / 12.92, pow((c + 0.055) / 1.055, vec3(2.4)), step(0.04045, c)); }
vec3 to_srgb(vec3 c) {
    c = clamp(c, 0.0, 1.0);
    return mix(c * 12.92, 1.055 * pow(c, vec3(1.0 / 2.4)) - 0.055, step(0.0031308, c));
}
void main() {
    vec3 tint = textured ? colour * to_linear(texture(base, uv).rgb) : colour;
    vec3 v = normalize(eye - position);
    vec3 n = normalize(normal);
    if (!gl_FrontFacing && dot(n, v) < 0.0) n = -n;
    float roughness = material.x, metallic = material.y, alpha = roughness * roughness;
    vec3 f0 = mix(vec3(0.04), tint, metallic);
    float n_v = max(dot(n, v), 1e-3);
    vec3 fresnel = f0 + (max(vec3(1.0 - roughness), f0) - f0) * pow(1.0 - n_v, 5.0);
    vec3 diffuse = tint * (1.0 - metallic);
    vec3 reflected = reflect(-v, n);
    float soft = mix(0.15, 1.0, roughness);
    vec3 light = diffuse * mix(ground, sky, n.y * 0.5 + 0.5)
               + fresnel * mix(ground, sky, smoothstep(-soft, soft, reflected.y)) * mix(1.0, 0.7, roughness);
    for (int i = 0; i < 2; ++i) {                       // Cook-Torrance with GGX (Walter et al. 2007)
        vec3 l = light_direction[i], h = normalize(l + v);
        float n_l = max(dot(n, l), 0.0), n_h = max(dot(n, h), 0.0), l_h = max(dot(l, h), 0.0);
        float a2 = max(alpha * alpha, 1e-3), d = n_h * n_h * (a2 - 1.0) + 1.0;
        float k = (roughness + 1.0) * (roughness + 1.0) / 8.0;
        float visible = 1.0 / ((n_l * (1.0 - k) + k) * (n_v * (1.0 - k) + k));
        vec3 f = f0 + (1.0 - f0) * pow(1.0 - l_h, 5.0);
        light += light_colour[i] * n_l * (diffuse + f * min(a2 / (3.14159 * d * d), 20.0) * visible * 0.25);
    }
    shaded = vec4(to_srgb(light), 1.0);
    albedo = vec4(to_srgb(tint), 1.0);
    surface = vec4(n, dot(position - eye, axis));
    rough_metal = vec2(roughness, metallic);
}
"""


@dataclass(frozen=True)
class Lighting:
    """A sky dome of two colours and two distant lights; linear radiance."""

    sky: tuple[float, float, float] = (1.0, 1.0, 1.0)
    ground: tuple[float, float, float] = (0.7, 0.7, 0.7)
    directions: tuple[tuple[float, float, float], ...] = ((0.0, 1.0, 0.0), (0.0, 1.0, 0.0))
    colours: tuple[tuple[float, float, float], ...] = ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0))


STUDIO = Lighting()
"""Even light: the six views are rendered in it, so that the view model also learns to take light off."""


def random_lighting(rng: np.random.Generator) -> Lighting:
    """Light of a reference image: coloured sky and ground, a key light from above and a weaker fill."""

    def warm(low: float, high: float) -> tuple[float, float, float]:
        level, warmth = rng.uniform(low, high), rng.normal(0, 0.06)
        return (level * (1 + warmth), level, level * (1 - warmth))

    directions = []
    for low in (0.15, -0.3):
        azimuth, height = rng.uniform(0, 2 * np.pi), rng.uniform(low, 0.95)
        flat = float(np.sqrt(1 - height**2))
        directions.append((flat * float(np.sin(azimuth)), float(height), flat * float(np.cos(azimuth))))
    return Lighting(warm(0.4, 1.0), warm(0.2, 0.7), tuple(directions), (warm(0.0, 0.9), warm(0.0, 0.3)))


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


class Renderer:
    """An OpenGL context with a square framebuffer of `size` times `supersampling` pixels."""

    def __init__(self, size: int, supersampling: int = 2) -> None:
        self.size = size
        self.supersampling = supersampling
        self._context = moderngl.create_context(standalone=True, backend="egl")  # type: ignore[arg-type]
        side = size * supersampling
        # Eight bits where the reader keeps eight bits: reading back is most of a view's time.
        self._targets = [
            self._context.texture((side, side), components, dtype=dtype)
            for components, dtype in ((4, "f1"), (4, "f1"), (4, "f4"), (2, "f1"))
        ]
        self._depth = self._context.depth_renderbuffer((side, side))
        self._framebuffer = self._context.framebuffer(self._targets, self._depth)
        self._program = self._context.program(vertex_shader=_VERTEX, fragment_shader=_FRAGMENT)

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
        batches, resources = self._upload(model)
        self._context.enable(moderngl.DEPTH_TEST)
        self._context.disable(moderngl.CULL_FACE)
        self._context.depth_func = ">" if farthest else "<"
        matrices = cameras.world_to_camera.numpy().astype(np.float64)
        frames = []
        for view in range(len(cameras)):
            projection = _projection(float(cameras.focal[view]), cameras.centre[view].numpy())
            self._set("view_projection", (projection @ matrices[view]).T.astype("f4").tobytes())
            position = cameras.camera_to_world[view, :3, 3]
            self._set("eye", tuple(position.tolist()))
            self._set("axis", tuple((-cameras.camera_to_world[view, :3, 2]).tolist()))
            self._set("sky", lighting.sky)
            self._set("ground", lighting.ground)
            self._set("light_direction", lighting.directions)
            self._set("light_colour", lighting.colours)
            self._framebuffer.use()
            self._framebuffer.clear(0.0, 0.0, 0.0, 0.0, depth=0.0 if farthest else 1.0)
            for vertices, texture in batches:
                self._set("textured", texture is not None)
                if texture is not None:
                    texture.use(0)
                vertices.render()
            frames.append(self._read())
        for resource in resources:
            resource.release()
        return Rendering(*(np.stack(channel) for channel in zip(*frames, strict=True)))

    def _set(self, name: str, value: object) -> None:
        uniform = self._program[name]
        assert isinstance(uniform, moderngl.Uniform)
        if isinstance(value, bytes):
            uniform.write(value)
        else:
            uniform.value = value

    def _upload(
        self, model: Model
    ) -> tuple[list[tuple[moderngl.VertexArray, moderngl.Texture | None]], list[_Resource]]:
        batches: list[tuple[moderngl.VertexArray, moderngl.Texture | None]] = []
        resources: list[_Resource] = []
        for part in model.parts:
            count = len(part.positions)
            material = np.stack([part.roughness, part.metallic], axis=-1)
            rows = np.concatenate(
                [
                    part.positions.reshape(-1, 3),
                    part.normals.reshape(-1, 3),
                    part.uvs.reshape(-1, 2),
                    part.colour.reshape(-1, 3),
                    np.repeat(material, 3, axis=0),
                ],
                axis=1,
            ).astype("f4")
            buffer = self._context.buffer(rows.tobytes())
            vertices = self._context.vertex_array(
                self._program,
                [
                    (
                        buffer,
                        "3f 3f 2f 3f 2f",
                        "in_position",
                        "in_normal",
                        "in_uv",
                        "in_colour",
                        "in_material",
                    )
                ],
            )
            assert count * 3 == len(rows)
            texture = None
            if part.texture is not None:
                height, width = part.texture.shape[:2]
                flipped = np.ascontiguousarray(part.texture[::-1])
                texture = self._context.texture((width, height), 3, flipped.tobytes(), alignment=1)
                texture.build_mipmaps()
                resources.append(texture)
            batches.append((vertices, texture))
            resources += [vertices, buffer]
        return batches, resources

    def _read(self) -> tuple[np.ndarray, ...]:
        side, n = self.size * self.supersampling, self.supersampling
        shaded, albedo, surface, material = (
            np.frombuffer(target.read(alignment=1), dtype=dtype).reshape(side, side, -1)[::-1]
            for target, dtype in zip(self._targets, ("u1", "u1", "f4", "u1"), strict=True)
        )

        # Uncovered samples are zero, so plain sums are already weighted by coverage.
        def total(image: np.ndarray) -> np.ndarray:
            rows = image.reshape(self.size, n, side, -1).sum(axis=1, dtype="f4")
            return rows.reshape(self.size, self.size, n, -1).sum(axis=2)

        shaded_sum, surface_sum = total(shaded), total(surface)
        covered = shaded_sum[..., 3:] / 255
        weight = covered.clip(1.0)
        normal = surface_sum[..., :3]
        normal = normal / np.linalg.norm(normal, axis=-1, keepdims=True).clip(1e-6)
        material_mean = total(material) / (255 * weight)
        return (
            shaded_sum[..., :3] / (255 * weight),
            total(albedo[..., :3]) / (255 * weight),
            covered[..., 0] / n**2,
            normal,
            surface_sum[..., 3] / weight[..., 0],
            material_mean[..., 0],
            material_mean[..., 1],
        )


def _projection(focal: float, centre: np.ndarray) -> np.ndarray:
    a = (_FAR + _NEAR) / (_NEAR - _FAR)
    b = 2 * _FAR * _NEAR / (_NEAR - _FAR)
    return np.array(
        [[focal, 0, -centre[0], 0], [0, focal, -centre[1], 0], [0, 0, a, b], [0, 0, -1, 0]], dtype=np.float64
    )
