"""What the pipeline asks of a pack's models. A new pack is a new class behind one of these."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from backend.geometry.cameras import Cameras

OnStep = Callable[[int, int, Tensor], None]
"""Called after each denoising step with (steps done, steps in all, current images); may raise to cancel."""

OnFraction = Callable[[float], None]
"""Called with the fraction done of a long computation; may raise to cancel."""


@dataclass(frozen=True)
class SeenSurfaces:
    """What lies behind the reference's pixels, in the model frame."""

    front: Float[Tensor, "3 h w"]
    """Position of the first surface."""
    back: Float[Tensor, "3 h w"]
    """Position of the last one."""
    shown: Bool[Tensor, "h w"]
    """The pixels that show the object; elsewhere positions mean nothing."""


@dataclass(frozen=True)
class GeneratedViews:
    """What a multi-view model makes of a reference image."""

    rgba: Float[Tensor, "view 4 size size"]
    """sRGB, straight alpha, in [0, 1]."""
    elevation_degrees: float
    """Estimated for the reference view."""
    seen: SeenSurfaces | None = None
    """From models that locate what the reference shows."""


@dataclass(frozen=True)
class PointValues:
    """A field's values at points of the model frame (see pipeline.stage_data.FieldSamples)."""

    sdf: Float[Tensor, " point"]
    albedo: Float[Tensor, "point 3"]
    roughness: Float[Tensor, " point"] | None
    """None, like `metallic`, from a network without a material head."""
    metallic: Float[Tensor, " point"] | None


class MultiviewModel(Protocol):
    """One image to six views."""

    reference_size: int
    """Side of the square reference image that it reads."""
    default_steps: int
    default_guidance: float

    @property
    def cameras(self) -> Cameras:
        """Of the six views, in the model frame."""

    def generate(
        self, reference: Float[Tensor, "4 h w"], *, steps: int, guidance: float, seed: int, on_step: OnStep
    ) -> GeneratedViews: ...


class NormalModel(Protocol):
    """Six RGB views to world-frame normals, and depth for models that predict it."""

    default_steps: int

    def generate(
        self,
        reference: Float[Tensor, "4 h w"],
        rgba: Float[Tensor, "view 4 size size"],
        *,
        steps: int,
        seed: int,
        on_step: OnStep,
    ) -> tuple[Float[Tensor, "view 3 size size"], Float[Tensor, "view size size"] | None]: ...


class ReconstructedField(Protocol):
    """An object as a function of position."""

    half_extent: float

    def sdf(self, points: Float[Tensor, "point 3"]) -> Float[Tensor, " point"]: ...

    def sample(self, points: Float[Tensor, "point 3"]) -> PointValues: ...


@runtime_checkable
class SurfacedField(ReconstructedField, Protocol):
    """A field that finds its surface itself, because marching cubes over `sdf` would lose what it knows:
    vertices that a network places, or a density that is no distance."""

    def surface(self, on_fraction: OnFraction) -> tuple[Float[Tensor, "vertex 3"], Int[Tensor, "face 3"]]:
        """Closed triangle mesh in the model frame, counter-clockwise from outside.

        Raises EmptySurfaceError without a surface.
        """


class Reconstructor(Protocol):
    """Six views to a field."""

    def reconstruct(
        self,
        rgba: Float[Tensor, "view 4 size size"],
        normals: Float[Tensor, "view 3 size size"],
        depth: Float[Tensor, "view size size"] | None,
    ) -> ReconstructedField: ...


class ImageReconstructor(Protocol):
    """One image straight to a field."""

    def reconstruct(self, reference: UInt8[np.ndarray, "h w 4"]) -> ReconstructedField:
        """From the object cut out: sRGB and straight alpha. Framing and background are the model's own."""


class MaterialModel(Protocol):
    """Pictures to what the object's surface is made of, for networks without a material head."""

    @property
    def name(self) -> str:
        """Of its pack, for the report."""

    def estimate(
        self, images: Float[Tensor, "image 4 size size"], *, seed: int, on_fraction: OnFraction
    ) -> Float[Tensor, "image 2 size size"]:
        """Roughness and metallic in [0, 1], where `images` (sRGB, straight alpha) show the object."""
