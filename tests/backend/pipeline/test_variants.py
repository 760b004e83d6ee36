"""Several seeds of one picture, with a view model that draws well for some seeds and badly for others."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from backend.errors import Cancelled, EmptySurfaceError
from backend.models.interfaces import GeneratedViews, OnStep
from backend.packs.loading import Pack
from backend.pipeline.image_to_asset import image_to_asset
from backend.pipeline.stage_data import Options
from backend.pipeline.variants import score_variant, write_variants
from tests.backend.pipeline.true_pack import (
    ELEVATION,
    Recorder,
    TrueViewModel,
    picture_of_the_sphere,
    true_pack,
    true_views,
)

OPTIONS = Options(seed=10, faces=200, texture_size=64, steps=1)
GOOD, ONE_VIEW_CUT, EMPTY = "good", "one view cut", "empty"


@dataclass
class MoodyViewModel(TrueViewModel):
    """Draws the sphere as the seed's mood is."""

    moods: Sequence[str] = ()

    def generate(
        self, reference: Tensor, *, steps: int, guidance: float, seed: int, on_step: OnStep
    ) -> GeneratedViews:
        rgba = true_views().rgba.clone()
        mood = self.moods[seed - OPTIONS.seed]
        if mood == ONE_VIEW_CUT:
            rgba[1, :, :, :15] = 0  # so the hull loses half of the sphere, which the other views still show
        elif mood == EMPTY:
            rgba[:] = 0
        on_step(1, 1, rgba)
        return GeneratedViews(rgba, ELEVATION)


class VariantRecorder(Recorder):
    """Also hears which variant begins; cancels at the first word of variant `cancel_in`."""

    def __init__(self, cancel_in: int | None = None) -> None:
        super().__init__()
        self.begun: list[tuple[int, int]] = []
        self.cancel_in = cancel_in

    def begin_variant(self, index: int, count: int) -> None:
        self.begun.append((index, count))

    def advance(self, stage: str, fraction: float) -> None:
        super().advance(stage, fraction)
        if self.begun and self.begun[-1][0] == self.cancel_in and stage == "views":
            raise Cancelled("enough")


def pack_of(*moods: str) -> Pack:
    torch.manual_seed(0)
    return replace(true_pack(), multiview=MoodyViewModel(moods=moods))


def make(pack: Pack, count: int, folder: Path, progress: VariantRecorder | None = None) -> set[str]:
    progress = progress or VariantRecorder()
    files = write_variants(picture_of_the_sphere(), OPTIONS, count, pack, progress, folder, name="ball")
    assert all(file.is_file() for file in files)
    names = [file.relative_to(folder).as_posix() for file in files]
    assert len(names) == len(set(names))
    return set(names)


def test_all_are_kept_and_the_best_is_the_result(tmp_path: Path) -> None:
    progress = VariantRecorder()
    names = make(pack_of(ONE_VIEW_CUT, GOOD), 2, tmp_path, progress)
    own = {name for name in names if not name.startswith("variant_")}
    assert names == own | {f"variant_{index:02d}/{name}" for index in range(2) for name in own}
    best = tmp_path / "variant_01"
    for name in own - {"report.json"}:
        assert (tmp_path / name).read_bytes() == (best / name).read_bytes()

    report = json.loads((tmp_path / "report.json").read_text())
    assert report["best_variant"] == 1
    assert report["seed"] == 11
    assert [variant["seed"] for variant in report["variants"]] == [10, 11]
    assert [variant["folder"] for variant in report["variants"]] == ["variant_00/", "variant_01/"]
    cut, whole = report["variants"]
    assert cut["agreement"] < whole["agreement"] - 0.05
    assert cut["score"] < whole["score"]

    assert progress.begun == [(0, 2), (1, 2)]
    finished = [stage for stage, fraction in progress.heard if fraction == 1]
    assert finished.count("foreground") == 1  # the object is cut out once
    assert finished.count("textures") == 2


def test_a_cancel_keeps_what_is_finished(tmp_path: Path) -> None:
    names = make(pack_of(GOOD, GOOD, GOOD), 3, tmp_path, VariantRecorder(cancel_in=1))
    assert {name.partition("/")[0] for name in names if name.startswith("variant")} == {"variant_00"}
    assert "asset.glb" in names


def test_a_cancel_in_the_first_variant_ends_the_job(tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        make(pack_of(GOOD, GOOD), 2, tmp_path, VariantRecorder(cancel_in=0))


def test_a_variant_without_a_surface_is_left_out(tmp_path: Path) -> None:
    names = make(pack_of(EMPTY, GOOD), 2, tmp_path)
    assert "variant_01/asset.glb" in names
    assert not any(name.startswith("variant_00") for name in names)
    with pytest.raises(EmptySurfaceError):
        make(pack_of(EMPTY, EMPTY), 2, tmp_path / "none")


def test_every_part_of_the_score_is_a_share() -> None:
    asset = image_to_asset(picture_of_the_sphere(), OPTIONS, pack_of(GOOD), Recorder())
    score = score_variant(asset)
    seen = (score.silhouette, score.colour, score.likeness)
    assert score.agreement is not None
    for part in (*seen, score.agreement):
        assert 0.5 < part <= 1
    assert score.total == pytest.approx((sum(seen) + score.agreement) / 4)
    assert replace(score, agreement=None).total == pytest.approx(sum(seen) / 3)
