"""Fill a dataset folder: models in random poses, rendered and labelled, shard by shard.

Shards are independent and deterministic (seeded by their number), so several processes may share the work and
an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from tqdm import tqdm

from backend.geometry.cameras import Cameras, orbit_cameras, six_view_cameras
from backend.training.assets import Model, load_model
from backend.training.dataset import (
    CHANNELS,
    POINTS,
    REFERENCE_SIZE,
    REFERENCES,
    SURFACE_POINTS,
    VIEW_DISTANCE,
    VIEW_SIZE,
)
from backend.training.labels import supervise
from backend.training.lighting import Lighting, random_reference_lighting
from backend.training.procedural import random_model
from backend.training.rendering import Renderer
from backend.training.repainting import in_patterns
from backend.training.shards import shard_path, writing_shard
from backend.training.throughput import StageClock

FILL = 0.85
"""Share of the reference crop's side that the object's box fills."""
_ELEVATIONS, _FOVS = (-10.0, 45.0), (15.0, 60.0)
"""Bounds of the reference cameras, degrees."""
_ROLL_DEGREES, _AIM_SHARE = 2.5, 0.3
"""Deviation of the roll; how far beside the object a camera aims at most, in half fields of view."""
_FILLS, _SHIFT = (0.8, 0.9), 0.03
"""How much of a crop an imperfect mask lets the object fill, and how far off its middle (NDC)."""
PROCEDURAL_SHARE = 0.4
"""Of a dataset's samples."""
_PATTERNED_SHARE = 0.3
"""Of the assets."""
_STRETCH = 0.05
"""Largest logarithm of an axis' scale. More would teach that proportions say nothing: at .2, what is round
from the front may be half as deep again as it is wide."""
_CATEGORY_SHARE = {"modular": 0.3}
"""Walls, floors and roads are a quarter of the assets and little of what users want."""


@dataclass(frozen=True)
class Source:
    """Where one sample's model comes from."""

    name: str
    pack: str
    path: Path | None
    """None for a procedural shape."""


def read_index(folder: Path) -> list[dict[str, str]]:
    """The rows of a folder's index.csv, one an asset.

    Raises:
        FileNotFoundError: there is no index, or nothing in it.
    """
    with (folder / "index.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        raise FileNotFoundError(f"{folder / 'index.csv'} names no assets to render.")
    return rows


def list_sources(folders: Sequence[Path], procedural_share: float, rng: np.random.Generator) -> list[Source]:
    """One epoch in random order: the assets of the folders' index.csv and procedural shapes among them.

    Raises:
        FileNotFoundError: a folder has no index, or nothing in it.
    """
    sources = [
        Source(row["file"], row["pack"], folder / row["file"])
        for folder in folders
        for row in read_index(folder)
        if rng.random() < _CATEGORY_SHARE.get(row["category"], 1.0)
    ]
    made = round(len(sources) * procedural_share / (1 - procedural_share))
    sources += [Source(f"procedural_{i}", "procedural", None) for i in range(made)]
    return [sources[i] for i in rng.permutation(len(sources))]


def posed(model: Model, rng: np.random.Generator, stretch: float) -> Model:
    """A random yaw, axis scales within `stretch`, and the model frame."""
    scale = np.diag(np.exp(rng.uniform(-stretch, stretch, 3)))
    return model.transformed(scale, np.zeros(3)).turned(rng.uniform(0, 360)).in_sphere()


def draw_model(source: Source, rng: np.random.Generator) -> Model:
    """A source's model in a random pose; assets in random materials, procedural shapes in their own."""
    if source.path is None:
        model = random_model(rng)
    else:
        model = load_model(source.path).with_random_materials(rng, recolour=0.3, shades_together=True)
        if rng.random() < _PATTERNED_SHARE:
            model = in_patterns(model, rng)
    return posed(model, rng, _STRETCH)


def reference_camera(model: Model, azimuth: float, elevation: float, fov: float) -> Cameras:
    """A camera at some distance whose square image is cropped to the model as `Foreground` is."""
    return cropped_camera(_orbit(azimuth, elevation, fov), model, FILL)


def jittered_camera(model: Model, azimuth: float, rng: np.random.Generator) -> tuple[Cameras, float]:
    """As `reference_camera`, the way people hold cameras; returns its elevation in degrees as well.

    It rolls a little, aims beside the object (which a crop does not undo: the perspective stays oblique), and
    the crop is no better than a mask found by a network.
    """
    elevation = float(np.clip(rng.normal(15, 15), *_ELEVATIONS))
    fov = float(rng.uniform(*_FOVS))
    camera = _orbit(azimuth, elevation, fov)
    roll = np.radians(np.clip(rng.normal(0, _ROLL_DEGREES), -3 * _ROLL_DEGREES, 3 * _ROLL_DEGREES))
    yaw, pitch = np.radians(rng.uniform(-1, 1, 2) * _AIM_SHARE * fov / 2)
    turn = torch.eye(4)
    turn[:3, :3] = torch.from_numpy(Rotation.from_euler("ZYX", [roll, yaw, pitch]).as_matrix())
    turned = Cameras(camera.camera_to_world @ turn, camera.focal, camera.centre)
    shift = rng.uniform(-_SHIFT, _SHIFT, 2)
    return cropped_camera(turned, model, float(rng.uniform(*_FILLS)), shift), elevation


def _orbit(azimuth: float, elevation: float, fov: float) -> Cameras:
    """Far enough away for the model's bounding sphere."""
    return orbit_cameras([azimuth], [elevation], float(0.55 / np.sin(np.radians(fov / 2))), fov)


def cropped_camera(camera: Cameras, model: Model, fill: float, shift: np.ndarray | None = None) -> Cameras:
    """The camera of the square crop in which the model's box fills that share, `shift` off the middle."""
    ndc, _ = camera.project(torch.from_numpy(model.triangles.reshape(-1, 3)))
    low, high = ndc[0].amin(0), ndc[0].amax(0)
    zoom = 2 * fill / float((high - low).max())
    centre = -(low + high) / 2 * zoom
    if shift is not None:
        centre = centre + torch.from_numpy(shift).float()
    return Cameras(camera.camera_to_world, camera.focal * zoom, centre[None])


def render_reference(
    model: Model, azimuth: float, renderer: Renderer, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """One reference image from `azimuth`, by a jittered camera in random light, with the positions of the
    first and last surfaces behind its pixels (`render_seen`) and the camera's elevation in degrees."""
    camera, elevation = jittered_camera(model, azimuth, rng)
    channels = render_seen(model, camera, random_reference_lighting(rng), renderer)
    return channels | {"elevation": np.array(elevation, dtype=np.float32)}


def render_seen(
    model: Model, camera: Cameras, lighting: Lighting, renderer: Renderer
) -> dict[str, np.ndarray]:
    """The picture that a camera takes (rgba) and, at half its size, the positions of the first and the last
    surface behind each pixel (front, back)."""
    front = renderer.render(model, camera, lighting)
    back = renderer.render(model, camera, farthest=True)
    return {
        "rgba": _bytes(np.concatenate([front.rgb[0], front.alpha[0, ..., None]], -1)),
        "front": _halved(_positions(camera, front.depth[0])),
        "back": _halved(_positions(camera, back.depth[0])),
    }


def render_sample(
    model: Model,
    renderer: Renderer,
    reference_renderer: Renderer,
    rng: np.random.Generator,
    clock: StageClock,
) -> dict[str, np.ndarray]:
    """Every channel of one stored sample (see CHANNELS), for a model in the model frame.

    Args:
        renderer: of the six views.
        reference_renderer: of the reference images.
    """
    with clock.stage("render"):
        views = renderer.render(model, six_view_cameras(VIEW_DISTANCE))
        references = [render_reference(model, 60.0 * k, reference_renderer, rng) for k in range(REFERENCES)]
    with clock.stage("labels"):
        labels = supervise(model, POINTS, SURFACE_POINTS, rng)
    surface = labels.surface
    material = np.concatenate([surface.albedo, surface.roughness[:, None], surface.metallic[:, None]], axis=1)
    return {
        "view_rgba": _bytes(np.concatenate([views.rgb, views.alpha[..., None]], axis=-1)),
        "view_normal": (views.normal * 127).round().astype(np.int8),
        "view_depth": views.depth.astype(np.float16),
        **{f"reference_{name}": np.stack([r[name] for r in references]) for name in references[0]},
        "points": labels.points.astype(np.float16),
        "sdf": labels.sdf.astype(np.float16),
        "surface_points": surface.points.astype(np.float16),
        "surface_normals": (surface.normals * 127).round().astype(np.int8),
        "surface_material": _bytes(material),
    }


def render_shard(folder: Path, number: int, sources: list[Source], seed: int) -> None:
    """Write one shard, unless it is there; nothing is left behind when it is interrupted."""
    if shard_path(folder, number).exists():
        return
    index = {"seed": seed, "samples": [{"name": source.name, "pack": source.pack} for source in sources]}
    clock = StageClock()
    with (
        writing_shard(folder, number, len(sources), CHANNELS, index) as arrays,
        Renderer(VIEW_SIZE) as renderer,
        Renderer(REFERENCE_SIZE) as reference_renderer,
    ):
        for row, source in enumerate(tqdm(sources, desc=f"shard {number}", unit="sample")):
            rng = np.random.default_rng([seed, number, row])
            with clock.stage("models"):
                model = draw_model(source, rng)
            channels = render_sample(model, renderer, reference_renderer, rng, clock)
            with clock.stage("write"):
                for name, value in channels.items():
                    arrays[name][row] = value
    print(f"shard {number}: {clock.report(len(sources))}.")


def render_dataset(
    data: Sequence[Path],
    folder: Path,
    *,
    samples: int,
    shard_size: int,
    worker: int,
    workers: int,
    seed: int,
) -> None:
    """Render `samples` models into shards of `shard_size`; worker i of n takes every n-th shard.

    Args:
        data: folders of GLBs with index.csv.
        folder: where the shards go.
    """
    rng = np.random.default_rng(seed)
    sources: list[Source] = []
    while len(sources) < samples:
        sources += list_sources(data, PROCEDURAL_SHARE, rng)
    sources = sources[:samples]
    for number in range(worker, -(-samples // shard_size), workers):
        render_shard(folder, number, sources[number * shard_size : (number + 1) * shard_size], seed)


def _positions(camera: Cameras, depth: np.ndarray) -> np.ndarray:
    """World position behind each pixel, zero where depth is zero."""
    size = len(depth)
    steps = (torch.arange(size) + 0.5) / size * 2 - 1
    ndc = torch.stack(torch.meshgrid(steps, -steps, indexing="xy"), dim=-1).reshape(1, -1, 2)
    world = camera.unproject(ndc, torch.from_numpy(depth).reshape(1, -1)).numpy().reshape(size, size, 3)
    return world * (depth > 0)[..., None]


def _halved(positions: np.ndarray) -> np.ndarray:
    """Mean over blocks of 2 x 2 pixels of the positions that are there (not zero)."""
    size = len(positions) // 2
    blocks = positions.reshape(size, 2, size, 2, 3)
    there = (blocks != 0).any(axis=-1, keepdims=True)
    mean = blocks.sum(axis=(1, 3)) / there.sum(axis=(1, 3)).clip(1)
    return mean.astype(np.float16)


def _bytes(values: np.ndarray) -> np.ndarray:
    return (values.clip(0, 1) * 255).round().astype(np.uint8)
