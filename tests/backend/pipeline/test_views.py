from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from backend.errors import Cancelled
from backend.models.presets import TINY
from backend.packs.loading import Pack, assemble_nano, build_nano
from backend.pipeline.stage_data import Foreground, Options
from backend.pipeline.views import generate_views, reference_tensor, to_bytes
from tests.backend.pipeline.true_pack import (
    CAMERAS,
    ELEVATION,
    Recorder,
    TrueViewModel,
    true_pack,
    true_views,
)


@pytest.fixture(scope="module")
def pack() -> Pack:
    return true_pack()


def crop(size: int = 64) -> Foreground:
    """A red square on blue transparency."""
    image = np.zeros((size, size, 4), np.float32)
    image[..., :3] = (0, 0, 1)
    image[size // 4 : -size // 4, size // 4 : -size // 4] = (1, 0, 0, 1)
    return Foreground(image, 0.85, "alpha")


def model_of(pack: Pack) -> TrueViewModel:
    assert isinstance(pack.multiview, TrueViewModel)
    return pack.multiview


def test_the_views_come_with_their_cameras_and_the_elevation(pack: Pack) -> None:
    views = generate_views(crop(), pack, Options(), Recorder())
    assert torch.equal(views.rgba, true_views().rgba)
    assert torch.equal(views.cameras.camera_to_world, CAMERAS.camera_to_world)
    assert views.elevation_degrees == ELEVATION


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (Options(seed=5), {"steps": 7, "guidance": 1.25, "seed": 5}),
        (Options(steps=2, guidance=3.0), {"steps": 2, "guidance": 3.0, "seed": 0}),
        (Options(guidance=0.0), {"steps": 7, "guidance": 0.0, "seed": 0}),
    ],
)
def test_options_override_the_packs_defaults(pack: Pack, options: Options, wanted: dict[str, float]) -> None:
    generate_views(crop(), pack, options, Recorder())
    asked = model_of(pack).asked[-1]
    assert {name: asked[name] for name in wanted} == wanted
    reference = asked["reference"]
    assert isinstance(reference, torch.Tensor)
    assert torch.equal(reference, reference_tensor(crop(), pack.multiview.reference_size))


def test_progress_and_previews_follow_the_steps(pack: Pack) -> None:
    progress = Recorder()
    generate_views(crop(), pack, Options(steps=7), progress)
    assert progress.heard == [("views", pytest.approx(k / 7)) for k in range(1, 8)]
    # Every third step and the last.
    assert [name for name, _ in progress.previews] == [f"views/rgb_{k}.png" for k in range(6)] * 3
    image = progress.previews[-1][1]
    assert (image.dtype, image.shape) == (np.uint8, (32, 32, 4))
    assert np.abs(image / 255 - true_views().rgba[5].permute(1, 2, 0).numpy()).max() < 0.5 / 255 + 1e-6


def test_progress_may_cancel_between_two_steps(pack: Pack) -> None:
    class Stop(Recorder):
        def advance(self, stage: str, fraction: float) -> None:
            super().advance(stage, fraction)
            if len(self.heard) == 2:
                raise Cancelled(stage)

    progress = Stop()
    with pytest.raises(Cancelled):
        generate_views(crop(), pack, Options(steps=5), progress)
    assert len(progress.heard) == 2


def test_equal_seeds_give_equal_views_through_nano_itself() -> None:
    torch.manual_seed(0)
    nano = assemble_nano(build_nano(TINY), TINY, torch.device("cpu"), revision="test")
    one, two, other = (generate_views(crop(), nano, Options(seed=s), Recorder()) for s in (1, 1, 2))
    assert torch.equal(one.rgba, two.rgba)
    assert one.elevation_degrees == two.elevation_degrees
    assert not torch.equal(one.rgba, other.rgba)


@pytest.mark.parametrize("size", [16, 32, 64, 100])
def test_no_colour_of_transparent_pixels_leaks_into_the_reference(size: int) -> None:
    reference = reference_tensor(crop(), size)
    assert reference.shape == (4, size, size)
    seen = reference[3] > 0.02
    assert seen.any()
    assert (reference[0][seen] - 1).abs().max() < 0.01
    assert reference[2][seen].abs().max() < 0.01
    assert float(reference[3].mean()) == pytest.approx(0.25, abs=0.01), "coverage keeps its area"


def test_the_reference_is_neither_flipped_nor_turned() -> None:
    foreground = crop()
    image = foreground.image.copy()
    image[:32, :32] = (0, 1, 0, 1)  # the upper left
    reference = reference_tensor(replace(foreground, image=image), 32)
    assert torch.equal(reference[:, 4, 4].round(), torch.tensor([0.0, 1.0, 0.0, 1.0]))
    assert reference[3, 28, 28] == 0


def test_bytes_are_rounded_and_clamped() -> None:
    image = to_bytes(torch.tensor([-1.0, 0.0, 0.5 / 255 + 1e-4, 0.999, 2.0]).reshape(1, 1, 5))
    assert image.ravel().tolist() == [0, 0, 1, 255, 255]
