from __future__ import annotations

import pytest
import torch
from torch import Tensor

from backend.errors import Cancelled
from backend.geometry.reference_hues import take_hues
from backend.models.interfaces import OnStep
from backend.models.multiview.draft import draft_views
from backend.models.multiview.nano_denoiser import encode_colour
from backend.models.multiview.nano_sampler import VIEW_START, NanoNormalModel, NanoViewModel, make_scheduler
from backend.models.presets import TINY
from backend.packs.loading import Pack, assemble_nano, build_nano
from tests.backend.models.painted_sphere import reference_of_sphere

SIZE = TINY.view_size
REFERENCE = reference_of_sphere([15.0], SIZE)[0][0]
VIEWS = torch.rand(6, 4, SIZE, SIZE, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def pack() -> Pack:
    torch.manual_seed(0)
    return assemble_nano(build_nano(TINY), TINY, torch.device("cpu"), revision="test")


def silent(done: int, total: int, images: Tensor) -> None:
    """Nobody watches."""


def generate(
    pack: Pack, *, seed: int = 3, steps: int = 2, guidance: float = 1.5, on_step: OnStep = silent
) -> Tensor:
    return pack.multiview.generate(REFERENCE, steps=steps, guidance=guidance, seed=seed, on_step=on_step).rgba


def normals(pack: Pack, *, seed: int = 3, steps: int = 2, on_step: OnStep = silent) -> tuple[Tensor, Tensor]:
    result, depth = pack.normals.generate(REFERENCE, VIEWS, steps=steps, seed=seed, on_step=on_step)
    assert depth is not None
    return result, depth


def test_equal_seeds_give_equal_views_bit_for_bit(pack: Pack) -> None:
    one = generate(pack)
    torch.rand(7)  # the global generator must not matter
    assert torch.equal(one, generate(pack))
    assert not torch.equal(one, generate(pack, seed=4))
    assert all(torch.equal(a, b) for a, b in zip(normals(pack), normals(pack), strict=True))
    assert not torch.equal(normals(pack)[0], normals(pack, seed=4)[0])


def test_the_surfaces_behind_the_object_come_along(pack: Pack) -> None:
    seen = pack.multiview.generate(REFERENCE, steps=1, guidance=1.0, seed=0, on_step=silent).seen
    assert seen is not None
    draft = pack.multiview.draftsman(REFERENCE)
    assert torch.equal(seen.shown, REFERENCE[3] > 0.5)
    for surface, small in ((seen.front, draft.front[0]), (seen.back, draft.back[0])):
        assert surface.shape == REFERENCE[:3].shape
        low, high = (
            s
            * torch.nn.functional.max_pool2d(s * small, 3, 1, 1)
            .repeat_interleave(2, 1)
            .repeat_interleave(2, 2)
            for s in (-1, 1)
        )
        assert ((surface >= low - 1e-5) & (surface <= high + 1e-5)).all(), "between its pixel's neighbours"


def test_views_are_images_and_normals_unit_vectors(pack: Pack) -> None:
    rgba = generate(pack)
    assert rgba.shape == (6, 4, SIZE, SIZE)
    assert rgba.min() >= 0
    assert rgba.max() <= 1
    normal, depth = normals(pack)
    torch.testing.assert_close(normal.norm(dim=1), torch.ones(6, SIZE, SIZE))
    assert depth.shape == (6, SIZE, SIZE)


def test_guidance_changes_the_views_and_one_is_none(pack: Pack) -> None:
    plain = generate(pack, guidance=1.0)
    assert not torch.equal(plain, generate(pack, guidance=3.0))
    torch.testing.assert_close(plain, generate(pack, guidance=1.0 + 1e-7), atol=1e-4, rtol=0)


@pytest.mark.parametrize("steps", [1, 3])
def test_every_step_is_told_and_the_last_shows_the_result(pack: Pack, steps: int) -> None:
    told: list[tuple[int, int]] = []
    shown: list[Tensor] = []

    def on_step(done: int, total: int, images: Tensor) -> None:
        told.append((done, total))
        shown.append(images.clone())

    result = generate(pack, steps=steps, on_step=on_step)
    assert told == [(k + 1, steps) for k in range(steps)]
    assert torch.equal(shown[-1], result)
    told.clear()
    shown.clear()
    normal, _ = normals(pack, steps=steps, on_step=on_step)
    assert told == [(k + 1, steps) for k in range(steps)]
    torch.testing.assert_close(torch.nn.functional.normalize(shown[-1], dim=1), normal)


def test_a_step_may_cancel(pack: Pack) -> None:
    calls: list[int] = []

    def on_step(done: int, total: int, images: Tensor) -> None:
        calls.append(done)
        if done == 2:
            raise Cancelled("asked")

    with pytest.raises(Cancelled, match="asked"):
        generate(pack, steps=3, on_step=on_step)
    with pytest.raises(Cancelled, match="asked"):
        normals(pack, steps=3, on_step=on_step)
    assert calls == [1, 2, 1, 2]


def test_the_elevation_is_the_drafts(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(pack.multiview, NanoViewModel)
    reference, answer = reference_of_sphere([35.0], SIZE)
    draft = draft_views(lambda _: answer, reference, pack.multiview.cameras)
    monkeypatch.setattr(pack.multiview, "draftsman", lambda _: draft)
    views = pack.multiview.generate(reference[0], steps=1, guidance=1.0, seed=0, on_step=silent)
    assert views.elevation_degrees == 35


def test_models_say_what_they_want(pack: Pack) -> None:
    assert pack.multiview.reference_size == TINY.coordinates.image_size == 2 * SIZE
    sampling = TINY.sampling
    assert pack.multiview.default_steps == sampling.view_steps
    assert pack.multiview.default_guidance == sampling.guidance
    assert pack.normals.default_steps == sampling.normal_steps
    assert isinstance(pack.normals, NanoNormalModel)
    assert isinstance(pack.multiview, NanoViewModel)
    assert pack.normals.draftsman is pack.multiview.draftsman, "one draft for both"
    assert len(pack.multiview.cameras) == 6


@pytest.mark.parametrize("steps", [1, 3, 10])
def test_sampling_starts_from_the_noised_draft(
    pack: Pack, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    assert isinstance(pack.multiview, NanoViewModel)
    reference, answer = reference_of_sphere([35.0], SIZE)
    draft = draft_views(lambda _: answer, reference, pack.multiview.cameras)
    monkeypatch.setattr(pack.multiview, "draftsman", lambda _: draft)
    seen: list[tuple[Tensor, int]] = []

    def watch(noisy: Tensor, timestep: Tensor, *_: object) -> Tensor:
        seen.append((noisy, int(timestep)))
        return torch.zeros_like(noisy)

    monkeypatch.setattr(pack.multiview.denoiser, "forward", watch)
    pack.multiview.generate(reference[0], steps=steps, guidance=1.0, seed=8, on_step=silent)
    timesteps = [timestep for _, timestep in seen]
    assert timesteps[0] == VIEW_START
    assert timesteps == sorted(set(timesteps), reverse=True)
    assert len(timesteps) == steps
    start = encode_colour(draft.rgba)
    noise = torch.randn(start.shape, generator=torch.Generator().manual_seed(8))
    wanted = make_scheduler().add_noise(start, noise, torch.tensor([VIEW_START]))  # type: ignore[arg-type]
    torch.testing.assert_close(seen[0][0], wanted)


def test_the_schedule_ends_in_pure_noise() -> None:
    assert float(make_scheduler().alphas_cumprod[-1]) == pytest.approx(0, abs=1e-7)


def test_a_perfect_network_is_left_at_its_prediction(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the last step predicts is the result, but for the reference's hues."""
    assert isinstance(pack.multiview, NanoViewModel)
    clean = torch.rand(1, 6, 4, SIZE, SIZE) * 2 - 1
    clean[:, :, 3] = 1
    seen: list[Tensor] = []

    def perfect(noisy: Tensor, *_: object) -> Tensor:
        seen.append(noisy)
        return clean.expand_as(noisy)

    monkeypatch.setattr(pack.multiview.denoiser, "forward", perfect)
    result = generate(pack, steps=4, guidance=2.0)
    predicted = torch.cat([clean[0, :, :3] / 2 + 0.5, torch.ones(6, 1, SIZE, SIZE)], 1)
    wanted = take_hues(predicted.movedim(1, -1).numpy(), REFERENCE.movedim(0, -1).numpy())
    torch.testing.assert_close(result, torch.from_numpy(wanted).movedim(-1, 1))
    distance = [(noisy[0] - clean[0]).square().mean().item() for noisy in seen]
    assert distance == sorted(distance, reverse=True)
