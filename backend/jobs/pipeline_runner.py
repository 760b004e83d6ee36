"""The real runner: loads packs and calls the pipeline. The only file in jobs/ that reaches torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from backend.jobs.runner import JobProgress
from backend.protocol import JobRequest

if TYPE_CHECKING:
    from backend.packs.loading import AnyPack


@dataclass
class PipelineRunner:
    """Keeps the packs that it has loaded; lives in one worker process."""

    _packs: dict[str, AnyPack] = field(default_factory=dict)

    def prepare(self) -> str:
        # Imported here because the server process, which pickles this object, must stay free of torch.
        from backend import device

        device.use_available_cores()
        return device.describe(device.pick_device())

    def load(self, pack: str) -> None:
        from backend.device import naming_out_of_memory

        with naming_out_of_memory():
            self._pack(pack)

    def run(self, image: bytes, request: JobRequest, folder: Path, progress: JobProgress) -> list[Path]:
        from backend.device import naming_out_of_memory
        from backend.pipeline.artifacts import write_asset
        from backend.pipeline.image_to_asset import image_to_asset
        from backend.pipeline.stage_data import Options
        from backend.pipeline.variants import write_variants

        options = Options(
            pack=request.pack,
            route=request.route,
            seed=request.seed,
            faces=request.faces,
            texture_size=request.texture_size,
            steps=request.steps,
            guidance=request.guidance,
            height_metres=request.height_metres,
        )
        with naming_out_of_memory():
            pack = self._pack(request.pack)
            if request.variants > 1:
                return write_variants(
                    image, options, request.variants, pack, progress, folder, name=request.name
                )
            asset = image_to_asset(image, options, pack, progress, request.name)
            return write_asset(asset, folder, name=request.name, options=options, pack=pack)

    def _pack(self, name: str) -> AnyPack:
        from backend.device import pick_device
        from backend.packs.loading import load_any_pack

        if name not in self._packs:
            self._packs[name] = load_any_pack(name, pick_device())
        return self._packs[name]
