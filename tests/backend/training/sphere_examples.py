"""Training samples of painted spheres in closed form, at the tiny preset's size."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
import torch

from backend.geometry.cameras import orbit_cameras, six_view_cameras
from backend.models.presets import TINY
from backend.training.dataset import REFERENCES, Example
from backend.training.loop import Batch
from backend.training.reference_dataset import ReferenceBatch
from tests.backend.models.painted_sphere import paint_of, view_sphere

CPU = torch.device("cpu")
POINTS, SURFACE_POINTS = 1024, 256


class SphereSource:
    """An `ExampleSource` of spheres of growing radius."""

    def __init__(self, count: int) -> None:
        self._examples = [sphere_example(0.2 + 0.2 * k / count) for k in range(count)]

    def __len__(self) -> int:
        return len(self._examples)

    def __getitem__(self, index: int) -> Example:
        return self._examples[index]


def sphere_example(radius: float, elevation: float = 15.0) -> Example:
    size = TINY.view_size
    views = view_sphere(six_view_cameras(TINY.view_distance), size, radius)
    camera = orbit_cameras([0.0], [elevation], 1.2 / 0.2, 2 * 5.0)
    reference = view_sphere(camera, size, radius)
    generator = torch.Generator().manual_seed(0)
    points = torch.rand(POINTS, 3, generator=generator) - 0.5
    on_surface = torch.nn.functional.normalize(torch.randn(SURFACE_POINTS, 3, generator=generator), dim=1)
    material = torch.cat([paint_of(on_surface * radius), torch.full((SURFACE_POINTS, 2), 0.25)], dim=1)
    return Example(
        view_rgba=views.rgba,
        view_normal=views.normals,
        view_depth=views.depth,
        reference_rgba=view_sphere(camera, 2 * size, radius).rgba[0],
        reference_front=reference.front[0],
        reference_back=reference.back[0],
        elevation=torch.tensor(elevation),
        points=points,
        sdf=points.norm(dim=1) - radius,
        surface_points=on_surface * radius,
        surface_normals=on_surface,
        surface_material=material,
    )


def sphere_batch(count: int = 2) -> Batch:
    source = SphereSource(count)
    return Batch.stack([source[k] for k in range(count)], CPU)


def reference_batch(count: int = 2) -> ReferenceBatch:
    """What of `sphere_batch` the coordinate net learns from."""
    batch = sphere_batch(count)
    return ReferenceBatch(**{f.name: getattr(batch, f.name) for f in fields(ReferenceBatch)})


def write_reference_shard(folder: Path, packs: Sequence[str]) -> None:
    """A shard as `render_references` leaves it, one image for each of `packs`."""
    folder.mkdir(parents=True)
    samples = [_stored(sphere_example(0.25 + 0.1 * k / len(packs))) for k in range(len(packs))]
    for name in ("rgba", "front", "back", "elevation"):
        np.save(folder / f"{name}.npy", np.stack([sample[f"reference_{name}"][0] for sample in samples]))
    (folder / "index.json").write_text(json.dumps({"seed": 0, "packs": list(packs)}))


def write_sphere_shard(folder: Path, packs: Sequence[str]) -> None:
    """A shard as `render_dataset` leaves it, one sphere for each of `packs`."""
    folder.mkdir(parents=True)
    samples = [_stored(sphere_example(0.25 + 0.1 * k / len(packs))) for k in range(len(packs))]
    for name in samples[0]:
        np.save(folder / f"{name}.npy", np.stack([sample[name] for sample in samples]))
    entries = [{"name": f"sphere {k}", "pack": pack} for k, pack in enumerate(packs)]
    (folder / "index.json").write_text(json.dumps({"seed": 0, "samples": entries}))


def _stored(example: Example) -> dict[str, np.ndarray]:
    """The example in the place of each of its sample's references: right in shape, not in colour."""
    arrays = {name: np.asarray(tensor) for name, tensor in asdict(example).items()}

    def last(name: str, scale: float, dtype: str) -> np.ndarray:
        return (np.moveaxis(arrays[name], -3, -1) * scale).round(0 if scale > 1 else 6).astype(dtype)

    def repeated(array: np.ndarray) -> np.ndarray:
        return np.repeat(array[None], REFERENCES, axis=0)

    return {
        "view_rgba": last("view_rgba", 255, "u1"),
        "view_normal": last("view_normal", 127, "i1"),
        "view_depth": arrays["view_depth"].astype("f2"),
        "reference_rgba": repeated(last("reference_rgba", 255, "u1")),
        "reference_front": repeated(last("reference_front", 1, "f2")),
        "reference_back": repeated(last("reference_back", 1, "f2")),
        "reference_elevation": repeated(arrays["elevation"].astype("f4")),
        "points": arrays["points"].astype("f2"),
        "sdf": arrays["sdf"].astype("f2"),
        "surface_points": arrays["surface_points"].astype("f2"),
        "surface_normals": (arrays["surface_normals"] * 127).round().astype("i1"),
        "surface_material": (arrays["surface_material"] * 255).round().astype("u1"),
    }
