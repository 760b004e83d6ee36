from __future__ import annotations

import numpy as np
import pytest
import torch

from backend.errors import Cancelled
from backend.packs.loading import Pack
from backend.pipeline.normals import generate_normals
from backend.pipeline.stage_data import Foreground, Options, Views
from tests.backend.pipeline.true_pack import (
    CAMERAS,
    ELEVATION,
    Recorder,
    TrueNormalModel,
    true_pack,
    true_views,
)

FOREGROUND = Foreground(np.full((40, 40, 4), 0.6, np.float32), 0.85, "alpha")


@pytest.fixture(scope="module")
def pack() -> Pack:
    return true_pack()


def views() -> Views:
    return Views(true_views().rgba, CAMERAS, ELEVATION)


def test_the_outline_is_the_views_and_depth_passes_through(pack: Pack) -> None:
    given = views()
    result = generate_normals(FOREGROUND, given, pack, Options(), Recorder())
    outside = given.rgba[:, 3] == 0
    assert not result.normals.permute(0, 2, 3, 1)[outside].any()
    length = result.normals.norm(dim=1)[~outside]
    torch.testing.assert_close(length, torch.ones_like(length))
    assert result.depth is not None
    assert torch.equal(result.depth, true_views().depth)


def test_the_model_gets_the_views_the_reference_and_the_seed(pack: Pack) -> None:
    given = views()
    generate_normals(FOREGROUND, given, pack, Options(seed=9, steps=50), Recorder())
    assert isinstance(pack.normals, TrueNormalModel)
    asked = pack.normals.asked[-1]
    assert asked["rgba"] is given.rgba
    assert (asked["seed"], asked["steps"]) == (9, 3), "the user's steps are the views' steps"
    assert isinstance(asked["reference"], torch.Tensor)
    assert asked["reference"].shape == (4, 64, 64)


def test_previews_are_normals_as_colours_under_the_views_alpha(pack: Pack) -> None:
    progress = Recorder()
    generate_normals(FOREGROUND, views(), pack, Options(), progress)
    assert progress.heard == [("normals", pytest.approx(k / 3)) for k in (1, 2, 3)]
    assert [name for name, _ in progress.previews] == [f"views/normal_{k}.png" for k in range(6)]
    truth = true_views()
    for view, (_, image) in enumerate(progress.previews):
        assert np.array_equal(image[..., 3], (truth.rgba[view, 3].numpy() * 255).round())
        whole = image[..., 3] == 255
        decoded = image[..., :3][whole] / 255 * 2 - 1
        assert decoded == pytest.approx(truth.normals[view].permute(1, 2, 0).numpy()[whole], abs=1.1 / 255)


def test_progress_may_cancel(pack: Pack) -> None:
    class Stop(Recorder):
        def advance(self, stage: str, fraction: float) -> None:
            raise Cancelled(stage)

    with pytest.raises(Cancelled, match="normals"):
        generate_normals(FOREGROUND, views(), pack, Options(), Stop())
