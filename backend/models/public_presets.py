"""How the public packs run: everything that their files do not fix."""

from __future__ import annotations

from dataclasses import dataclass, field

from backend.models.multiview.zero123plus import GRID_COLUMNS, Zero123PlusConfig
from backend.models.presets import SurfaceConfig
from backend.models.reconstructor.instantmesh_field import CAMERA_DISTANCE


@dataclass(frozen=True)
class Zero123PlusInstantMeshPreset:
    """Zero123++ v1.2 with InstantMesh's white-background UNet, its normal ControlNet, InstantMesh."""

    sampling: Zero123PlusConfig = field(default_factory=Zero123PlusConfig)
    normal_steps: int = 28
    normal_guidance: float = 4.0
    """The authors found 4 more robust than 1, which is twice as fast and usually good enough."""
    surface: SurfaceConfig = field(default_factory=lambda: SurfaceConfig(cells=128, smoothing=0))
    """FlexiCubes' own grid; its vertices lie where the network put them, so nothing is smoothed."""

    @property
    def view_size(self) -> int:
        return self.sampling.width // GRID_COLUMNS

    @property
    def view_distance(self) -> float:
        return CAMERA_DISTANCE
