"""Rendered training samples on disk: one memory-mapped array a channel, filled once, read by every trainer.

A sample is one model in one pose with its six target views, six reference images (one every 60 degrees) and
its point supervision. Because the view layout repeats every 120 degrees, and mirrors into itself, each stored
sample gives six training samples: reference image k sees the model turned by 60 k degrees (k even) or
mirrored as well (k odd). `Example` undoes the turn, so that the reference is always at azimuth 0.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.data import Dataset

from backend.training.assets import rotation_about_y
from backend.training.shards import read_shards

VIEW_SIZE = 64
REFERENCE_SIZE = 2 * VIEW_SIZE
"""Of the reference images; the coordinates behind their pixels are stored at half of it."""
VIEW_DISTANCE = 2.0
REFERENCES = 6
POINTS = 12_288
SURFACE_POINTS = 4_096

CHANNELS: dict[str, tuple[tuple[int, ...], str]] = {
    "view_rgba": ((6, VIEW_SIZE, VIEW_SIZE, 4), "u1"),
    "view_normal": ((6, VIEW_SIZE, VIEW_SIZE, 3), "i1"),
    "view_depth": ((6, VIEW_SIZE, VIEW_SIZE), "f2"),
    "reference_rgba": ((REFERENCES, REFERENCE_SIZE, REFERENCE_SIZE, 4), "u1"),
    "reference_front": ((REFERENCES, VIEW_SIZE, VIEW_SIZE, 3), "f2"),
    "reference_back": ((REFERENCES, VIEW_SIZE, VIEW_SIZE, 3), "f2"),
    "reference_elevation": ((REFERENCES,), "f4"),
    "points": ((POINTS, 3), "f2"),
    "sdf": ((POINTS,), "f2"),
    "surface_points": ((SURFACE_POINTS, 3), "f2"),
    "surface_normals": ((SURFACE_POINTS, 3), "i1"),
    "surface_material": ((SURFACE_POINTS, 5), "u1"),
}
"""Per sample: shape and numpy type. Material is albedo (sRGB), roughness, metallic."""

VALIDATION_SHARE = 0.04


@dataclass(frozen=True)
class Example:
    """One training sample with its reference camera at azimuth 0. Colours in [0, 1], straight alpha."""

    view_rgba: Float[Tensor, "6 4 h w"]
    view_normal: Float[Tensor, "6 3 h w"]
    view_depth: Float[Tensor, "6 h w"]
    reference_rgba: Float[Tensor, "4 2*h 2*w"]
    reference_front: Float[Tensor, "3 h w"]
    """World position of the first surface behind each pixel; zero outside."""
    reference_back: Float[Tensor, "3 h w"]
    """World position of the last surface behind each pixel."""
    elevation: Float[Tensor, ""]
    """Degrees."""
    points: Float[Tensor, "point 3"]
    sdf: Float[Tensor, " point"]
    surface_points: Float[Tensor, "surface 3"]
    surface_normals: Float[Tensor, "surface 3"]
    surface_material: Float[Tensor, "surface 5"]


def is_validation(pack: str) -> bool:
    """Splits by pack of assets, never by file, since kits repeat themselves."""
    digest = hashlib.sha256(pack.encode()).digest()
    return int.from_bytes(digest[:4], "big") / 2**32 < VALIDATION_SHARE


def turn_and_mirror(reference: int) -> np.ndarray:
    """The linear map that brings the model seen by reference `reference` to azimuth 0.

    Even references are turned back by their azimuth. Odd ones are first mirrored in z, which sends azimuth a
    to 180 - a, and then turned back.
    """
    azimuth = 60.0 * reference
    if reference % 2 == 0:
        return rotation_about_y(-azimuth)
    return rotation_about_y(-(180.0 - azimuth)) @ np.diag([1.0, 1.0, -1.0])


def view_order(reference: int) -> list[int]:
    """Stored index of each of the six views after `turn_and_mirror`."""
    if reference % 2 == 0:
        return [(view + reference) % 6 for view in range(6)]
    shift = round((180 - 60 * reference) / 60)
    mirrored = [2, 1, 0, 5, 4, 3]
    return [mirrored[(view + shift) % 6] for view in range(6)]


class RenderedDataset(Dataset[Example]):
    """The shards below a folder, addressed as (stored sample, reference) pairs."""

    def __init__(self, folder: Path, *, validation: bool) -> None:
        self._arrays: list[dict[str, np.ndarray]] = []
        self._samples: list[tuple[int, int]] = []
        for shard, (arrays, index) in enumerate(read_shards(folder, CHANNELS)):
            self._arrays.append(arrays)
            self._samples += [
                (shard, row)
                for row, entry in enumerate(index["samples"])
                if is_validation(entry["pack"]) == validation
            ]
        if not self._samples:
            raise FileNotFoundError(
                f"{folder} holds no {'validation' if validation else 'training'} samples. "
                "Render some first: python -m backend train render --data DIR"
            )

    def __len__(self) -> int:
        return len(self._samples) * REFERENCES

    def __getitem__(self, index: int) -> Example:
        sample, reference = divmod(index, REFERENCES)
        shard, row = self._samples[sample]
        raw = {name: np.asarray(array[row]) for name, array in self._arrays[shard].items()}
        turn = turn_and_mirror(reference)
        order = view_order(reference)
        flip = slice(None, None, -1) if reference % 2 else slice(None)

        def image(array: np.ndarray, scale: float = 1.0) -> Tensor:
            """Channels last to channels first, mirrored left to right with the model."""
            flipped = np.ascontiguousarray(array[..., flip, :], dtype=np.float32) * np.float32(scale)
            return torch.from_numpy(np.moveaxis(flipped, -1, -3).copy())

        def turned(array: np.ndarray, scale: float = 1.0) -> np.ndarray:
            return (array.astype(np.float32) * np.float32(scale)) @ turn.T.astype(np.float32)

        return Example(
            view_rgba=image(raw["view_rgba"][order], 1 / 255),
            view_normal=image(turned(raw["view_normal"][order], 1 / 127)),
            view_depth=image(raw["view_depth"][order][..., None])[:, 0],
            reference_rgba=image(raw["reference_rgba"][reference], 1 / 255),
            reference_front=image(turned(raw["reference_front"][reference])),
            reference_back=image(turned(raw["reference_back"][reference])),
            elevation=torch.tensor(float(raw["reference_elevation"][reference])),
            points=torch.from_numpy(turned(raw["points"])),
            sdf=torch.from_numpy(raw["sdf"].astype(np.float32)),
            surface_points=torch.from_numpy(turned(raw["surface_points"])),
            surface_normals=torch.from_numpy(turned(raw["surface_normals"], 1 / 127)),
            surface_material=torch.from_numpy(raw["surface_material"].astype(np.float32) / 255),
        )
