"""A textured asset as triangle soup: read from GLB, transformed, given materials, sampled on its surface."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import trimesh
from jaxtyping import Bool, Float, Float32, Int64, UInt8
from PIL import Image
from scipy.cluster.hierarchy import fcluster, linkage
from trimesh.visual import ColorVisuals, TextureVisuals

_SHADE_STEP, _LIGHTNESS_WEIGHT = 0.08, 0.4
"""Colours nearer than the step (sRGB) are shades of one material; lightness counts for less than hue."""


@dataclass(frozen=True)
class Part:
    """Triangles that share one base colour texture."""

    positions: Float32[np.ndarray, "face 3 3"]
    normals: Float32[np.ndarray, "face 3 3"]
    uvs: Float32[np.ndarray, "face 3 2"]
    """v up, as glTF importers of trimesh give it."""
    colour: Float32[np.ndarray, "face 3 3"]
    """Linear base colour factor at each corner."""
    roughness: Float32[np.ndarray, " face"]
    metallic: Float32[np.ndarray, " face"]
    texture: UInt8[np.ndarray, "h w 3"] | None
    """sRGB."""
    surface_texture: UInt8[np.ndarray, "h w 2"] | None = None
    """Roughness and metallic, in place of the faces' own."""


@dataclass(frozen=True)
class SurfaceSamples:
    """Points drawn uniformly by area."""

    points: Float32[np.ndarray, "point 3"]
    normals: Float32[np.ndarray, "point 3"]
    albedo: Float32[np.ndarray, "point 3"]
    """sRGB in [0, 1]."""
    roughness: Float32[np.ndarray, " point"]
    metallic: Float32[np.ndarray, " point"]


@dataclass(frozen=True)
class Model:
    """One asset."""

    parts: tuple[Part, ...]
    closed: bool = False
    """Whether the faces are known to bound a solid exactly: none missing, hidden inside or inside out."""

    @property
    def triangles(self) -> Float32[np.ndarray, "face 3 3"]:
        return np.concatenate([part.positions for part in self.parts])

    def bounds(self) -> Float32[np.ndarray, "2 3"]:
        corners = self.triangles.reshape(-1, 3)
        return np.stack([corners.min(0), corners.max(0)])

    def transformed(self, linear: Float[np.ndarray, "3 3"], offset: Float[np.ndarray, " 3"]) -> Model:
        """x -> linear @ x + offset. A mirroring keeps its outside outside: the winding is turned."""
        matrix = linear.astype(np.float32)
        cotangent = np.linalg.inv(linear).T.astype(np.float32)
        order = [0, 2, 1] if np.linalg.det(linear) < 0 else [0, 1, 2]
        parts = []
        for part in self.parts:
            normals = part.normals @ cotangent.T
            normals /= np.linalg.norm(normals, axis=-1, keepdims=True).clip(1e-9)
            parts.append(
                replace(
                    part,
                    positions=(part.positions @ matrix.T + offset.astype(np.float32))[:, order],
                    normals=normals[:, order],
                    uvs=part.uvs[:, order],
                    colour=part.colour[:, order],
                )
            )
        return replace(self, parts=tuple(parts))

    def keeping(self, faces: Bool[np.ndarray, " face"]) -> Model:
        """Only the faces marked, counted through the parts in order."""
        parts, first = [], 0
        for part in self.parts:
            mine = faces[first : first + len(part.positions)]
            first += len(mine)
            names = ("positions", "normals", "uvs", "colour", "roughness", "metallic")
            if mine.any():
                parts.append(replace(part, **{name: getattr(part, name)[mine] for name in names}))
        return Model(tuple(parts))

    def in_sphere(self, radius: float = 0.5) -> Model:
        """Bounding box centred at the origin, farthest corner at `radius`: the model frame of nano."""
        low, high = self.bounds()
        centre = (low + high) / 2
        reach = float(np.linalg.norm(self.triangles.reshape(-1, 3) - centre, axis=1).max())
        scale = radius / max(reach, 1e-9)
        return self.transformed(np.eye(3) * scale, -centre * scale)

    def in_unit_box(self) -> Model:
        """Bounding box centred at the origin, longest side 1: the frame of a finished mesh."""
        low, high = self.bounds()
        scale = 1.0 / max(float((high - low).max()), 1e-9)
        return self.transformed(np.eye(3) * scale, -(low + high) / 2 * scale)

    def turned(self, degrees: float) -> Model:
        """Rotated about +Y, counter-clockwise from above (what was on +Z moves towards +X)."""
        return self.transformed(rotation_about_y(degrees), np.zeros(3))

    def sample_surface(self, count: int, rng: np.random.Generator) -> SurfaceSamples:
        """Area-weighted surface points with the materials found there."""
        corners = self.triangles
        cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        area = np.linalg.norm(cross, axis=1)
        # Stratified in cumulative area: every patch gets its share, up to one point.
        edges = np.cumsum(area) / area.sum()
        face = np.searchsorted(edges, (np.arange(count) + rng.random(count)) / count).clip(0, len(area) - 1)
        u, v = rng.random(count), rng.random(count)
        flip = u + v > 1
        u, v = np.where(flip, 1 - u, u), np.where(flip, 1 - v, v)
        weights = np.stack([1 - u - v, u, v], axis=1).astype(np.float32)

        def corner_mean(name: str) -> np.ndarray:
            values = np.concatenate([getattr(part, name) for part in self.parts])
            return np.einsum("pc,pcd->pd", weights, values[face])

        colour = corner_mean("colour")
        uv = corner_mean("uvs")
        roughness = np.concatenate([part.roughness for part in self.parts])[face]
        metallic = np.concatenate([part.metallic for part in self.parts])[face]
        first = 0
        for part in self.parts:
            inside = (face >= first) & (face < first + len(part.positions))
            first += len(part.positions)
            if part.texture is not None:
                colour[inside] *= srgb_to_linear(_texels(part.texture, uv[inside]))
            if part.surface_texture is not None:
                roughness[inside], metallic[inside] = _texels(part.surface_texture, uv[inside]).T
        unit = cross[face] / area[face, None].clip(1e-12)
        return SurfaceSamples(
            corner_mean("positions"),
            unit.astype(np.float32),
            linear_to_srgb(colour).astype(np.float32),
            roughness,
            metallic,
        )

    def with_random_materials(
        self, rng: np.random.Generator, recolour: float, *, shades_together: bool = False
    ) -> Model:
        """Roughness and metallic drawn per part, since the sources' own are exporters' constants.

        A part is what shares a material or, in assets painted from one palette texture, a palette colour.

        Args:
            recolour: probability with which the hue and lightness of the whole asset move as well.
            shades_together: colours that run into each other are one part, as palettes of gradients mean
                them; else (and in the evaluation) a face's quantised colour decides.
        """
        tint = np.eye(3, dtype=np.float32)
        gain = np.ones(3, dtype=np.float32)
        if rng.random() < recolour:
            tint = np.eye(3, dtype=np.float32)[rng.permutation(3)]
            gain = rng.uniform(0.6, 1.25, 3).astype(np.float32)
        parts = []
        for part in self.parts:
            labels = _shade_labels(part) if shades_together else _palette_labels(part)
            count = int(labels.max()) + 1
            metallic = (rng.random(count) < 0.2) * rng.uniform(0.8, 1.0, count)
            roughness = rng.uniform(0.15, 0.95, count)
            texture = part.texture
            if texture is not None:
                linear = srgb_to_linear(texture.astype(np.float32) / 255) @ tint.T * gain
                texture = (linear_to_srgb(linear) * 255).round().astype(np.uint8)
                colour = part.colour
            else:
                colour = np.clip(part.colour @ tint.T * gain, 0, 1)
            parts.append(
                replace(
                    part,
                    colour=colour,
                    texture=texture,
                    roughness=roughness[labels].astype(np.float32),
                    metallic=metallic[labels].astype(np.float32),
                    surface_texture=None,
                )
            )
        return replace(self, parts=tuple(parts))


def rotation_about_y(degrees: float) -> Float[np.ndarray, "3 3"]:
    """Rotation about +Y, counter-clockwise seen from above."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def srgb_to_linear(colour: np.ndarray) -> np.ndarray:
    """IEC 61966-2-1 decoding."""
    colour = np.clip(colour, 0, 1)
    return np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(colour: np.ndarray) -> np.ndarray:
    """IEC 61966-2-1 encoding."""
    colour = np.clip(colour, 0, 1)
    return np.where(colour <= 0.0031308, colour * 12.92, 1.055 * colour ** (1 / 2.4) - 0.055)


def load_model(path: Path | str) -> Model:
    """Read a GLB's triangles with their base colours.

    Raises:
        ValueError: the file holds no triangles.
    """
    scene = trimesh.load_scene(path, process=False)
    parts = []
    for node in scene.graph.nodes_geometry:
        transform, name = scene.graph[node]
        geometry = scene.geometry[name]
        if not isinstance(geometry, trimesh.Trimesh) or len(geometry.faces) == 0:
            continue
        parts.append(_part_of(geometry, np.asarray(transform)))
    if not parts:
        raise ValueError(f"{path}: no triangles in this file")
    return Model(tuple(parts))


def _part_of(geometry: trimesh.Trimesh, transform: np.ndarray) -> Part:
    faces = geometry.faces
    linear = transform[:3, :3]
    positions = (geometry.vertices @ linear.T + transform[:3, 3])[faces].astype(np.float32)
    normals = (geometry.vertex_normals @ np.linalg.inv(linear))[faces].astype(np.float32)
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True).clip(1e-9)
    colour = np.full((len(faces), 3, 3), 0.8, dtype=np.float32)
    uvs = np.zeros((len(faces), 3, 2), dtype=np.float32)
    texture = None
    visual = geometry.visual
    if isinstance(visual, TextureVisuals):
        material = visual.material
        factor = getattr(material, "baseColorFactor", None)
        colour[:] = 1.0 if factor is None else np.asarray(factor[:3], dtype=np.float32) / 255
        image = getattr(material, "baseColorTexture", None)
        if isinstance(image, Image.Image) and visual.uv is not None:
            texture = np.asarray(image.convert("RGB"))
            uvs = np.asarray(visual.uv, dtype=np.float32)[faces]
    elif isinstance(visual, ColorVisuals) and visual.kind == "vertex":
        colour = (np.asarray(visual.vertex_colors)[faces][..., :3] / 255).astype(np.float32)
    ones = np.ones(len(faces), dtype=np.float32)
    # A mirroring node turns the winding (glTF 2.0, section 3.7.4).
    order = [0, 2, 1] if np.linalg.det(linear) < 0 else [0, 1, 2]
    corners = (positions[:, order], normals[:, order], uvs[:, order], colour[:, order])
    return Part(*corners, ones * 0.5, ones * 0.0, texture)


def _texels(texture: np.ndarray, uv: np.ndarray) -> np.ndarray:
    height, width = texture.shape[:2]
    column = np.floor(uv[:, 0] * width).astype(np.int64) % width
    row = np.floor((1 - uv[:, 1]) * height).astype(np.int64) % height
    return texture[row, column].astype(np.float32) / 255


def face_colours(part: Part) -> Float32[np.ndarray, "face 3"]:
    """The base colour in the middle of each face: sRGB where a texture gives it, else the linear factor."""
    if part.texture is None:
        return part.colour.mean(axis=1)
    return _texels(part.texture, part.uvs.mean(axis=1))


def _palette_labels(part: Part) -> Int64[np.ndarray, " face"]:
    quantised = (face_colours(part) * 5).round().astype(np.int64)
    return np.unique(quantised, axis=0, return_inverse=True)[1].reshape(-1)


def _shade_labels(part: Part) -> Int64[np.ndarray, " face"]:
    """Colours are linked when they differ by little, in lightness less than in hue (single linkage)."""
    quantised = (face_colours(part) * 24).round().astype(np.int64)
    colours, labels = np.unique(quantised, axis=0, return_inverse=True)
    if len(colours) == 1:
        return labels.reshape(-1)
    lightness = colours.mean(axis=1, keepdims=True)
    features = np.concatenate([colours - lightness, lightness * _LIGHTNESS_WEIGHT], axis=1) / 24
    groups = fcluster(linkage(features, "single"), _SHADE_STEP, "distance") - 1
    return groups[labels.reshape(-1)].astype(np.int64)
