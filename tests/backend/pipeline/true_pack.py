"""A pack whose view and normal models know the answer: a painted sphere; the rest of it is nano's own."""

from __future__ import annotations

import io
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from backend.geometry.cameras import Cameras, orbit_cameras, six_view_cameras
from backend.models.interfaces import GeneratedViews, OnStep
from backend.models.presets import TINY
from backend.packs.loading import Pack, assemble_nano, build_nano
from tests.backend.models.painted_sphere import SphereViews, view_sphere

RADIUS = 0.4
ELEVATION = 15.0
CAMERAS = six_view_cameras(TINY.view_distance)


def true_views() -> SphereViews:
    return view_sphere(CAMERAS, TINY.view_size, RADIUS)


@dataclass
class TrueViewModel:
    """Answers with the sphere's views and keeps what it was asked."""

    reference_size: int = TINY.coordinates.image_size
    default_steps: int = 7
    default_guidance: float = 1.25
    asked: list[dict[str, object]] = field(default_factory=list)

    @property
    def cameras(self) -> Cameras:
        return CAMERAS

    def generate(
        self, reference: Tensor, *, steps: int, guidance: float, seed: int, on_step: OnStep
    ) -> GeneratedViews:
        self.asked.append({"reference": reference, "steps": steps, "guidance": guidance, "seed": seed})
        rgba = true_views().rgba
        for done in range(1, steps + 1):
            on_step(done, steps, rgba)
        return GeneratedViews(rgba, ELEVATION)


@dataclass
class TrueNormalModel:
    """Unit vectors everywhere, as a network gives them: the sphere's where it is, +Y beside it."""

    default_steps: int = 3
    asked: list[dict[str, object]] = field(default_factory=list)

    def generate(
        self, reference: Tensor, rgba: Tensor, *, steps: int, seed: int, on_step: OnStep
    ) -> tuple[Tensor, Tensor]:
        self.asked.append({"reference": reference, "rgba": rgba, "steps": steps, "seed": seed})
        views = true_views()
        normals = views.normals.clone()
        beside = views.rgba[:, 3] == 0
        normals.permute(0, 2, 3, 1)[beside] = torch.tensor([0.0, 1.0, 0.0])
        for done in range(1, steps + 1):
            on_step(done, steps, normals)
        return normals, views.depth


def true_pack() -> Pack:
    """The untrained reconstructor is the visual hull, which is close to the sphere."""
    torch.manual_seed(0)
    pack = assemble_nano(build_nano(TINY), TINY, torch.device("cpu"), revision="test")
    return replace(pack, multiview=TrueViewModel(), normals=TrueNormalModel())


def picture_of_the_sphere(size: int = 96) -> bytes:
    """A PNG with alpha, as a user would give it."""
    rgba = view_sphere(orbit_cameras([0.0], [ELEVATION], 4.0, 15.0), size, RADIUS).rgba[0]
    pixels = (rgba.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


class Recorder:
    """A `Progress` that keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, float]] = []
        self.previews: list[tuple[str, UInt8[np.ndarray, "h w c"]]] = []

    def advance(self, stage: str, fraction: float) -> None:
        self.heard.append((stage, fraction))

    def preview(self, name: str, image: UInt8[np.ndarray, "h w c"]) -> None:
        self.previews.append((name, image))
