"""The configurations of the packs' models, as they are written into a pack's config.json."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from backend.errors import PackError
from backend.models.multiview.coordinate_net import CoordinateNetConfig
from backend.models.multiview.nano_denoiser import NanoDenoiserConfig
from backend.models.reconstructor.nano_voxel import NanoVoxelConfig


@dataclass(frozen=True)
class SamplingConfig:
    """How nano is sampled when the user says nothing."""

    view_steps: int = 3
    """DDIM steps for the RGB views."""
    normal_steps: int = 2
    """DDIM steps for normals and depth."""
    guidance: float = 1.0
    """Classifier-free guidance scale of the RGB views; 1 is none."""


@dataclass(frozen=True)
class SurfaceConfig:
    """How the field becomes a mesh."""

    cells: int = 128
    """Isosurface cells along each side."""
    smoothing: int = 3
    """Taubin steps against what is left of marching cubes' staircase."""
    denoised: bool = False
    """Whether crumbs, and noise between the creases, are taken out: for fields of views that disagree."""


class PackPreset(Protocol):
    """What the pipeline and the evaluation ask of any pack's configuration."""

    @property
    def surface(self) -> SurfaceConfig: ...

    @property
    def view_size(self) -> int:
        """Side of a generated view, pixels."""

    @property
    def view_distance(self) -> float:
        """Of the six views' cameras from the origin, in model units."""


@dataclass(frozen=True)
class NanoPreset:
    """Everything that fixes nano's networks but for the weights."""

    coordinates: CoordinateNetConfig = field(default_factory=CoordinateNetConfig)
    denoiser: NanoDenoiserConfig = field(default_factory=NanoDenoiserConfig)
    reconstructor: NanoVoxelConfig = field(default_factory=NanoVoxelConfig)
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    surface: SurfaceConfig = SurfaceConfig(cells=128, smoothing=10, denoised=True)

    @property
    def view_size(self) -> int:
        return self.denoiser.view_size

    @property
    def view_distance(self) -> float:
        return self.denoiser.view_distance


NANO = NanoPreset()
TINY = NanoPreset(
    CoordinateNetConfig(image_size=64, width=32, layers=1, channels=(16, 16)),
    NanoDenoiserConfig(view_size=32, channels=(16, 32)),
    NanoVoxelConfig(
        view_size=32,
        view_width=8,
        token_width=40,
        encoder_layers=1,
        decoder_layers=1,
        voxel_tokens=4,
        volume_width=8,
        query_width=16,
    ),
    SamplingConfig(view_steps=2, normal_steps=1),
    SurfaceConfig(cells=32, smoothing=10, denoised=True),
)
"""For tests: the same classes, a thousandth of the work."""


def write_preset(preset: NanoPreset, path: Path) -> None:
    """As JSON, one object per dataclass."""
    path.write_text(json.dumps(dataclasses.asdict(preset), indent=2) + "\n", encoding="utf-8")


def read_preset(path: Path) -> NanoPreset:
    """The inverse of `write_preset`.

    Raises:
        PackError: the file is missing, is not JSON, or names a setting that this version does not have.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return NanoPreset(
            CoordinateNetConfig(**_with_tuples(data["coordinates"])),
            NanoDenoiserConfig(**_with_tuples(data["denoiser"])),
            NanoVoxelConfig(**_with_tuples(data["reconstructor"])),
            SamplingConfig(**data["sampling"]),
            SurfaceConfig(**data["surface"]),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise PackError(
            f"{path} is no configuration of this version's nano ({type(error).__name__}: {error}). "
            "Install the pack that belongs to this version of Bozzetto."
        ) from error


def _with_tuples(data: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in data.items()}
