"""Unlit images, depth and normals of a mesh, by ray casting on the CPU."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float32, Int32, UInt8

from backend.geometry.cameras import Cameras
from backend.geometry.ray_scene import Hits, RayScene
from backend.geometry.vertex_frames import unit


@dataclass(frozen=True)
class SurfaceBuffer:
    """What each pixel of one camera sees."""

    hits: Hits
    """Rays in reading order."""
    depth: Float32[np.ndarray, "size size"]
    """Distance along the viewing axis; infinite outside the mesh."""

    @property
    def mask(self) -> Bool[np.ndarray, "size size"]:
        return np.isfinite(self.depth)


def cast_camera(scene: RayScene, camera: Cameras, size: int) -> SurfaceBuffer:
    """`camera` holds one camera."""
    origins, directions = (rays[0].reshape(-1, 3).numpy() for rays in camera.rays(size))
    hits = scene.cast(origins, directions)
    forward = -camera.camera_to_world[0, :3, 2].numpy()
    depth = np.where(hits.hit, hits.distance * (directions @ forward), np.inf).astype(np.float32)
    return SurfaceBuffer(hits, depth.reshape(size, size))


def render_unlit(
    vertices: Float32[np.ndarray, "vertex 3"],
    faces: Int32[np.ndarray, "face 3"],
    uvs: Float32[np.ndarray, "vertex 2"],
    base_color: UInt8[np.ndarray, "height width 3"],
    cameras: Cameras,
    size: int,
    supersampling: int = 1,
) -> Float32[np.ndarray, "view size size 4"]:
    """sRGB with straight alpha; uvs have v up, the map's first row is v = 1."""
    scene = RayScene(vertices, faces)
    fine = size * supersampling
    images = []
    for index in range(len(cameras)):
        buffer = cast_camera(scene, cameras[[index]], fine)
        seen = buffer.hits.hit
        rgba = np.zeros((fine * fine, 4), np.float32)
        rgba[seen, :3] = sample_map(base_color, buffer.hits[seen].interpolate(faces, uvs))
        rgba[seen, 3] = 1
        images.append(shrink(rgba.reshape(fine, fine, 4), size))
    return np.stack(images)


def render_normals(
    vertices: Float32[np.ndarray, "vertex 3"],
    faces: Int32[np.ndarray, "face 3"],
    normals: Float32[np.ndarray, "vertex 3"],
    cameras: Cameras,
    size: int,
) -> Float32[np.ndarray, "view size size 3"]:
    """World-frame unit normals, interpolated from the vertices; zero outside the mesh."""
    scene = RayScene(vertices, faces)
    images = np.zeros((len(cameras), size * size, 3), np.float32)
    for index in range(len(cameras)):
        hits = cast_camera(scene, cameras[[index]], size).hits
        images[index, hits.hit] = unit(hits[hits.hit].interpolate(faces, normals))
    return images.reshape(len(cameras), size, size, 3)


def sample_map(
    texture: UInt8[np.ndarray, "height width channel"], uvs: Float32[np.ndarray, "point 2"]
) -> Float32[np.ndarray, "point channel"]:
    """Bilinear samples in [0, 1] at uvs with v up."""
    return sample_image(texture.astype(np.float32) / 255, uvs * 2 - 1)


def sample_image(
    image: Float32[np.ndarray, "height width channel"], ndc: Float32[np.ndarray, "point 2"]
) -> Float32[np.ndarray, "point channel"]:
    """Bilinear samples at normalised device coordinates (x right, y up); the border's value beyond it."""
    grid = torch.from_numpy(np.ascontiguousarray(ndc * np.array([1, -1], np.float32)))[None, None]
    planes = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None]
    samples = torch.nn.functional.grid_sample(planes, grid, padding_mode="border", align_corners=False)
    return np.ascontiguousarray(samples[0, :, 0].numpy().T)


def shrink(rgba: Float32[np.ndarray, "side side 4"], size: int) -> Float32[np.ndarray, "size size 4"]:
    """Area average of a straight-alpha image, colours weighted by alpha."""
    if rgba.shape[0] == size:
        return rgba
    weighted = np.concatenate([rgba[..., :3] * rgba[..., 3:], rgba[..., 3:]], axis=-1)
    small = cv2.resize(weighted, (size, size), interpolation=cv2.INTER_AREA)
    small[..., :3] = small[..., :3] / np.maximum(small[..., 3:], 1e-6)
    return small
