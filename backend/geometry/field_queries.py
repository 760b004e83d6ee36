"""Asking a reconstructed field in numpy, in batches that bound memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from backend.geometry.vertex_frames import unit

QUERY_BATCH = 1 << 16
"""Points per query: keeps a small decoder's activations in tens of megabytes."""


class SignedDistanceField(Protocol):
    """The part of `pipeline.stage_data.Field` that geometry needs."""

    half_extent: float

    def sdf(self, points: Float[Tensor, "point 3"]) -> Float[Tensor, " point"]: ...


def batched_sdf(
    field: SignedDistanceField, on_batch: Callable[[int], None] | None = None
) -> Callable[[Float32[np.ndarray, "point 3"]], Float32[np.ndarray, " point"]]:
    """field.sdf from numpy to numpy; `on_batch` hears the number of points of each batch done."""

    def query(points: Float32[np.ndarray, "point 3"]) -> Float32[np.ndarray, " point"]:
        values = np.empty(len(points), dtype=np.float32)
        with torch.inference_mode():
            for start in range(0, len(points), QUERY_BATCH):
                batch = torch.from_numpy(np.ascontiguousarray(points[start : start + QUERY_BATCH]))
                values[start : start + len(batch)] = field.sdf(batch).cpu().numpy()
                if on_batch is not None:
                    on_batch(len(batch))
        return values

    return query


def gradient_normals(
    sdf: Callable[[np.ndarray], np.ndarray], points: Float32[np.ndarray, "point 3"], step: float
) -> Float32[np.ndarray, "point 3"]:
    """Outward unit normals from central differences of the signed distance at distance `step`.

    A finite step, unlike the analytic gradient, does not show the creases of a decoder that interpolates
    its features linearly.
    """
    gradient = np.empty_like(points)
    for axis in range(3):
        offset = np.zeros(3, dtype=np.float32)
        offset[axis] = step
        gradient[:, axis] = sdf(points + offset) - sdf(points - offset)
    return unit(gradient)
