"""The seam to the pipeline: how a request becomes its call. The pipeline itself has tests of its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

import backend.packs.loading as loading
from backend.errors import OutOfMemoryError, PackError
from backend.jobs.pipeline_runner import PipelineRunner
from backend.jobs.worker import PipeProgress
from backend.pipeline import artifacts, image_to_asset, variants
from backend.pipeline.stage_data import Options
from backend.protocol import JobRequest

REQUEST = JobRequest(
    image="",
    name="chair",
    pack="huge",
    seed=3,
    faces=500,
    texture_size=256,
    steps=9,
    guidance=2.5,
    height_metres=0.4,
)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """What reaches the pipeline's three functions."""
    seen: list[tuple[object, ...]] = []

    def load_pack(name: str, device: torch.device) -> str:
        seen.append(("load", name, device.type))
        return f"pack {name}"

    def to_asset(image: bytes, options: Options, pack: object, progress: object, name: str) -> str:
        if image == b"too much":
            torch.empty(2**60, dtype=torch.uint8)
        seen.append(("asset", image, options, pack, name))
        return "asset"

    def write_asset(asset: object, folder: Path, *, name: str, options: Options, pack: object) -> list[Path]:
        seen.append(("write", asset, name, options, pack))
        return [folder / "asset.glb"]

    def write_variants(
        image: bytes,
        options: Options,
        count: int,
        pack: object,
        progress: object,
        folder: Path,
        *,
        name: str,
    ) -> list[Path]:
        seen.append(("variants", image, options, count, pack, name))
        return [folder / "asset.glb"]

    monkeypatch.setattr(loading, "load_any_pack", load_pack)
    monkeypatch.setattr(variants, "write_variants", write_variants)
    monkeypatch.setattr(image_to_asset, "image_to_asset", to_asset)
    monkeypatch.setattr(artifacts, "write_asset", write_asset)
    return seen


def test_a_request_becomes_the_pipeline_s_options(calls: list[tuple[object, ...]], tmp_path: Path) -> None:
    progress = PipeProgress(tmp_path, [].append, lambda: False)
    files = PipelineRunner().run(b"image", REQUEST, tmp_path, progress)
    options = Options("huge", 3, 500, 256, 9, 2.5, 0.4)
    assert files == [tmp_path / "asset.glb"]
    assert calls[1:] == [
        ("asset", b"image", options, "pack huge", "chair"),
        ("write", "asset", "chair", options, "pack huge"),
    ]


def test_several_variants_are_made_by_their_own_function(
    calls: list[tuple[object, ...]], tmp_path: Path
) -> None:
    progress = PipeProgress(tmp_path, [].append, lambda: False)
    PipelineRunner().run(b"image", replace(REQUEST, variants=4), tmp_path, progress)
    options = Options("huge", 3, 500, 256, 9, 2.5, 0.4)
    assert calls[1:] == [("variants", b"image", options, 4, "pack huge", "chair")]


def test_a_pack_is_loaded_once(calls: list[tuple[object, ...]], tmp_path: Path) -> None:
    runner = PipelineRunner()
    runner.load("huge")
    for _ in range(2):
        runner.run(b"image", REQUEST, tmp_path, PipeProgress(tmp_path, [].append, lambda: False))
    assert [call[:2] for call in calls if call[0] == "load"] == [("load", "huge")]


def test_memory_trouble_in_the_pipeline_is_named(calls: list[tuple[object, ...]], tmp_path: Path) -> None:
    with pytest.raises(OutOfMemoryError, match="Lower the texture size"):
        PipelineRunner().run(b"too much", REQUEST, tmp_path, PipeProgress(tmp_path, [].append, lambda: False))


def test_an_unknown_pack_is_told() -> None:
    with pytest.raises(PackError, match="no pack 'huge'"):
        PipelineRunner().load("huge")


def test_preparing_names_the_device() -> None:
    assert PipelineRunner().prepare().partition(" ")[0] in ("cpu", "cuda", "mps")
