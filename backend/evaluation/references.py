"""The evaluation's objects: one reference view each, always the same, and the truth in that view's frame."""

from __future__ import annotations

import csv
import hashlib
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8

from backend.errors import InputError
from backend.evaluation.shape import POINTS, Shape, shape_in_unit_box
from backend.geometry.cameras import Cameras, focal_from_fov, orbit_cameras, six_view_cameras
from backend.pipeline.stage_data import NormalViews, Views
from backend.training.assets import Model, load_model
from backend.training.rendering import Lighting, Renderer, random_lighting

PROTOCOL = 1
"""Raise it when anything here changes: cached results of another protocol are not read."""
REFERENCE_SIZE = 512
AZIMUTHS, ELEVATIONS, FOVS = (-60.0, 60.0), (-5.0, 40.0), (20.0, 60.0)
"""Degrees; the azimuth is from the object's front."""
NOVEL_VIEWS = 24
_DAMAGE = (ValueError, LookupError, TypeError, NotImplementedError, struct.error)
"""What trimesh's readers raise on broken files."""


class UnreadableObjectError(InputError):
    """A file that cannot be evaluated."""


@dataclass(frozen=True)
class ReferenceView:
    """Where the reference camera of an object stands, and in which light."""

    azimuth: float
    elevation: float
    fov: float
    lighting: Lighting

    @property
    def camera(self) -> Cameras:
        """In the frame of the turned object: azimuth 0, the bounding sphere just inside the image."""
        distance = 0.55 / np.sin(np.radians(self.fov / 2))
        return orbit_cameras([0.0], [self.elevation], float(distance), self.fov)


@dataclass(frozen=True)
class EvaluationObject:
    """One object, turned so that its reference camera is at azimuth 0."""

    name: str
    model: Model
    """In the model frame (bounding sphere of radius 0.5), roughness and metallic drawn per part by name."""
    view: ReferenceView
    truth: Shape


def list_objects(data: Path, limit: int | None = None) -> list[Path]:
    """The GLBs of a folder, sorted by name; with a limit, evenly spread over them.

    Raises:
        FileNotFoundError: there are none.
    """
    paths = sorted(data.glob("*.glb"))
    if not paths:
        raise FileNotFoundError(f"{data} holds no .glb files. Give a folder of GLBs with --data DIR.")
    return spread(paths, limit)


def spread(paths: list[Path], limit: int | None) -> list[Path]:
    """At most `limit` of them, evenly spread."""
    if limit is None or limit >= len(paths):
        return paths
    return [paths[i * len(paths) // limit] for i in range(limit)]


def categories(data: Path) -> dict[str, str]:
    """Category of each file by the folder's index.csv; empty where the folder has none."""
    index = data / "index.csv"
    if not index.exists():
        return {}
    with index.open(newline="") as file:
        return {row["file"]: row["category"] for row in csv.DictReader(file)}


def reference_view(name: str) -> ReferenceView:
    """Drawn from the file's name alone, so that every run and every machine sees the same picture."""
    rng = _rng_of(name)
    azimuth, elevation, fov = (float(rng.uniform(*bounds)) for bounds in (AZIMUTHS, ELEVATIONS, FOVS))
    return ReferenceView(azimuth, elevation, fov, random_lighting(rng))


def load_object(path: Path, points: int = POINTS) -> EvaluationObject:
    """Read a GLB and bring it into its reference camera's frame.

    The assets' own roughness and metallic are exporters' constants, hence no ground truth: each part is given
    values drawn by the file's name, which the reference image then shows. `points` are sampled on the truth.

    Raises:
        UnreadableObjectError: the file is no GLB, or there is no surface in it.
    """
    view = reference_view(path.name)
    try:
        model = load_model(path).with_random_materials(_rng_of(path.name), recolour=0.0)
        model = model.turned(-view.azimuth).in_sphere()
        return EvaluationObject(path.stem, model, view, shape_in_unit_box(model.triangles, points))
    except _DAMAGE as error:
        raise UnreadableObjectError(f"{path.name} cannot be used ({error}).") from error


def render_reference(item: EvaluationObject, renderer: Renderer) -> UInt8[np.ndarray, "size size 4"]:
    """The picture the system is given: sRGB with the true alpha."""
    rendered = renderer.render(item.model, item.view.camera, item.view.lighting)
    rgba = np.concatenate([rendered.rgb[0], rendered.alpha[0][..., None]], axis=-1)
    return (rgba.clip(0, 1) * 255).round().astype(np.uint8)


def true_views(item: EvaluationObject, renderer: Renderer, distance: float) -> tuple[Views, NormalViews]:
    """The six views as a perfect view model would give them, at the renderer's size, in even light."""
    cameras = six_view_cameras(distance)
    rendered = renderer.render(item.model, cameras)
    rgba = np.concatenate([rendered.rgb, rendered.alpha[..., None]], axis=-1)
    views = Views(torch.from_numpy(rgba).movedim(-1, 1).contiguous(), cameras, item.view.elevation)
    normals = torch.from_numpy(rendered.normal).movedim(-1, 1).contiguous()
    return views, NormalViews(normals, torch.from_numpy(rendered.depth))


def novel_cameras() -> Cameras:
    """Three rings of eight around a finished mesh (unit box), none of them at a generated view's place."""
    azimuths = [45.0 * i + ring * 15 for ring in range(3) for i in range(8)]
    elevations = [(-10.0, 15.0, 45.0)[i // 8] for i in range(NOVEL_VIEWS)]
    # The unit box's half diagonal, 0.87, fills the image.
    return orbit_cameras(azimuths, elevations, 0.87 * focal_from_fov(30.0) * 1.05, 30.0)


def _rng_of(name: str) -> np.random.Generator:
    return np.random.default_rng(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big"))
