"""Golden tensors made by the original programs, with seeded random weights at small size."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from scipy.spatial import KDTree
from torch import Tensor

TOLERANCE = 1e-4
"""Largest difference of a tensor, relative to the golden's largest value."""


@dataclass(frozen=True)
class Golden:
    """One folder of goldens."""

    folder: Path
    prefix: str = ""

    @cached_property
    def config(self) -> dict[str, Any]:
        return json.loads((self.folder / f"{self.prefix}config.json").read_text())

    def state(self, name: str) -> dict[str, Tensor]:
        return load_file(self.folder / f"{name}.safetensors")

    @cached_property
    def _inputs(self) -> dict[str, np.ndarray]:
        with np.load(self.folder / f"{self.prefix}inputs.npz") as arrays:
            return dict(arrays)

    @cached_property
    def outputs(self) -> dict[str, np.ndarray]:
        with np.load(self.folder / f"{self.prefix}outputs.npz") as arrays:
            return dict(arrays)

    @property
    def input_names(self) -> list[str]:
        return list(self._inputs)

    def array(self, name: str) -> np.ndarray:
        return self._inputs[name]

    def input(self, name: str) -> Tensor:
        return torch.from_numpy(self._inputs[name])

    def inputs_under(self, prefix: str) -> list[Tensor]:
        """The inputs whose names begin with `prefix`, in the order of their names."""
        return [self.input(name) for name in sorted(self._inputs) if name.startswith(prefix)]

    def output(self, name: str) -> Tensor:
        return torch.from_numpy(self.outputs[name])

    def check(self, name: str, actual: Tensor, tolerance: float = TOLERANCE) -> None:
        """`actual` is the golden output `name`: same shape, relative error within the tolerance."""
        expected = self.output(name).double()
        actual = actual.detach().double()
        assert actual.shape == expected.shape, f"{name}: {tuple(actual.shape)} for {tuple(expected.shape)}"
        error = float((actual - expected).abs().max() / expected.abs().max().clamp_min(1e-12))
        print(f"{self.folder.name}/{self.prefix}{name}: relative error {error:.1e}")
        assert error <= tolerance, f"{name}: relative error {error:.2e}"


def assert_same_mesh(
    vertices: Tensor,
    faces: Tensor,
    expected_vertices: np.ndarray,
    expected_faces: np.ndarray,
    zero_distances: int = 0,
) -> None:
    """Equal up to the order of vertices and faces and to where a face begins.

    Orientations are equal too, but for the twelve faces around each grid vertex of distance exactly zero:
    the original FlexiCubes turns those inside out.
    """
    assert len(vertices) == len(expected_vertices)
    scale = np.abs(expected_vertices).max()
    distance, match = KDTree(expected_vertices).query(vertices.detach().numpy())
    assert distance.max() <= TOLERANCE * scale, f"vertices differ by {distance.max() / scale:.2e}"
    assert len(np.unique(match)) == len(match)
    ours, theirs = match[faces.numpy()], expected_faces.astype(np.int64)
    np.testing.assert_array_equal(sorted_faces(np.sort(ours)), sorted_faces(np.sort(theirs)))
    turned = set(map(tuple, sorted_faces(ours))) - set(map(tuple, sorted_faces(theirs)))
    assert len(turned) <= 12 * zero_distances


def sorted_faces(faces: np.ndarray) -> np.ndarray:
    """Each face from its smallest vertex on, in lexicographic order."""
    first = faces.argmin(axis=1)
    turned = np.stack([faces[np.arange(len(faces)), (first + k) % 3] for k in range(3)], axis=1)
    return turned[np.lexsort(turned.T[::-1])]
