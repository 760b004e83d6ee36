from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from backend.training import loop
from backend.training.loop import (
    Batch,
    TrainOptions,
    averaged_weights,
    learning_rate_factor,
    load_averaged,
    train,
)
from tests.backend.training.sphere_examples import CPU, SphereSource, sphere_batch

SOURCE = SphereSource(7)


class AreaTask:
    """The sphere's radius from its mask's area, with noise from the loop's generator."""

    name = "area"

    def __init__(self, stop_before: int | None = None) -> None:
        torch.manual_seed(0)
        self.module: nn.Module = nn.Sequential(nn.Linear(1, 8), nn.SiLU(), nn.Linear(8, 1))
        self.losses: list[float] = []
        self.seen: list[Tensor] = []
        """Parameters at each step's start."""
        self.at_validation: list[Tensor] = []
        self._stop_before = stop_before

    def _flat(self) -> Tensor:
        return torch.cat([p.detach().flatten() for p in self.module.parameters()])

    def loss(self, batch: Batch, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        if len(self.losses) == self._stop_before:
            raise KeyboardInterrupt
        self.seen.append(self._flat())
        area = batch.reference_rgba[:, 3].mean(dim=(1, 2))[:, None]
        noisy = area + 0.05 * torch.randn(area.shape, generator=generator)
        radius = batch.surface_points[:, 0].norm(dim=-1, keepdim=True)
        loss = (self.module(noisy) - radius).square().mean()
        self.losses.append(loss.item())
        figures = {"loss_again": loss.item()}
        return loss, figures if len(self.losses) % 2 else figures | {"sometimes": 1.0}

    def validate(self, batches: Sequence[Batch], generator: torch.Generator) -> dict[str, float]:
        assert not self.module.training
        self.at_validation.append(self._flat())
        return {"val_samples": float(sum(len(b.elevation) for b in batches))}


def run(task: AreaTask, folder: Path, source: SphereSource = SOURCE, **changes: object) -> None:
    options = TrainOptions(
        **{"steps": 6, "batch": 3, "warmup": 2, "learning_rate": 1e-2, "checkpoint_minutes": 0.0, **changes}  # type: ignore[arg-type]
    )
    train(task, lambda held_out: source, Batch.stack, folder, options, CPU)


def log_of(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "area.jsonl").read_text().splitlines()]


def test_a_stopped_and_resumed_run_takes_the_same_steps(tmp_path: Path) -> None:
    through, first, second = AreaTask(), AreaTask(stop_before=3), AreaTask()
    run(through, tmp_path / "through")
    with pytest.raises(KeyboardInterrupt):
        run(first, tmp_path / "stopped")
    run(second, tmp_path / "stopped")
    assert first.losses + second.losses == through.losses
    one, two = (torch.load(tmp_path / f / "area.pt", weights_only=True) for f in ("through", "stopped"))
    assert one["step"] == two["step"] == 6
    for name, tensor in one["module"].items():
        assert torch.equal(tensor, two["module"][name])
    for a, b in zip(one["averaged"], two["averaged"], strict=True):
        assert torch.equal(a, b)
    assert torch.equal(one["generator"], two["generator"])


def test_a_finished_run_takes_no_more_steps_but_can_be_prolonged(tmp_path: Path) -> None:
    run(AreaTask(), tmp_path)
    again, longer = AreaTask(), AreaTask()
    run(again, tmp_path)
    assert again.losses == []
    run(longer, tmp_path, steps=8)
    assert len(longer.losses) == 2


def test_another_seed_is_another_run(tmp_path: Path) -> None:
    one, two = AreaTask(), AreaTask()
    run(one, tmp_path / "one")
    run(two, tmp_path / "two", seed=1)
    assert one.losses != two.losses


def test_averaged_weights_follow_the_parameters(tmp_path: Path) -> None:
    task = AreaTask()
    run(task, tmp_path, ema=0.5)
    after_step = [*task.seen[1:], torch.cat([p.detach().flatten() for p in task.module.parameters()])]
    wanted = task.seen[0]
    for step, parameters in enumerate(after_step):
        decay = min(0.5, (1 + step) / (10 + step))
        wanted = decay * wanted + (1 - decay) * parameters
    averaged = torch.load(tmp_path / "area.pt", weights_only=True)["averaged"]
    torch.testing.assert_close(torch.cat([t.flatten() for t in averaged]), wanted)
    torch.testing.assert_close(task.at_validation[-1], wanted, msg="validation needs the averaged weights")
    assert not torch.allclose(after_step[-1], wanted), "and the run goes on with its own"
    module = AreaTask().module
    assert load_averaged(module, tmp_path / "area.pt") == 6
    torch.testing.assert_close(torch.cat([p.flatten() for p in module.parameters()]), wanted)


def test_own_weights_come_back_after_an_error() -> None:
    parameters, averaged = [torch.zeros(2)], [torch.ones(2)]

    def validate() -> None:
        with averaged_weights(parameters, averaged):
            assert torch.equal(parameters[0], torch.ones(2))
            raise RuntimeError("halfway")

    with pytest.raises(RuntimeError, match="halfway"):
        validate()
    assert torch.equal(parameters[0], torch.zeros(2))


def test_a_missing_checkpoint_names_what_to_train(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"views\.pt is missing: train views first"):
        load_averaged(AreaTask().module, tmp_path / "views.pt")


def test_a_checkpoint_is_never_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(AreaTask(), tmp_path)
    whole = (tmp_path / "area.pt").read_bytes()

    def full_disk(state: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(loop.torch, "save", full_disk)
    with pytest.raises(OSError, match="No space"):
        run(AreaTask(), tmp_path, steps=7)
    assert (tmp_path / "area.pt").read_bytes() == whole


def test_the_log_has_a_line_a_window_and_a_line_a_validation(tmp_path: Path) -> None:
    task = AreaTask()
    run(task, tmp_path, steps=60, validate_every=40)
    lines = log_of(tmp_path)
    assert [(line["step"], "val_samples" in line) for line in lines] == [
        (40, True),
        (50, False),
        (60, False),
        (60, True),
    ]
    first = lines[1]
    assert first["loss"] == pytest.approx(sum(task.losses[:50]) / 50)
    assert first["sometimes"] == 1, "a figure's mean is over the steps that gave it"
    assert first["samples_per_second"] > 0
    assert lines[0]["val_samples"] == 7


@pytest.mark.parametrize("count", [1, 4])
def test_few_held_out_samples_are_enough(tmp_path: Path, count: int) -> None:
    run(AreaTask(), tmp_path, SphereSource(count), steps=1)
    assert log_of(tmp_path)[-1]["val_samples"] == count


def test_the_rate_rises_stays_and_falls_to_nothing() -> None:
    options = TrainOptions(steps=1000, warmup=100, cooldown=0.25)
    factors = [learning_rate_factor(step, options) for step in range(1000)]
    assert factors[0] == pytest.approx(0.01)
    assert factors[49] == pytest.approx(0.5)
    assert set(factors[100:750]) == {1.0}
    assert factors[875] == pytest.approx(0.5)
    assert factors[999] == pytest.approx(1 / 250)
    assert learning_rate_factor(1000, options) == 0
    assert learning_rate_factor(0, TrainOptions(steps=1, warmup=1, cooldown=0.0)) == 1


def test_the_rate_reaches_the_optimizer(tmp_path: Path) -> None:
    task = AreaTask()
    run(task, tmp_path, learning_rate=0.0)
    assert torch.equal(task.seen[0], task.seen[-1])


class TrunkTask(AreaTask):
    """Likewise, by a net of which a part was trained before."""

    def __init__(self, stop_before: int | None = None) -> None:
        super().__init__(stop_before)
        layers = OrderedDict(trunk=nn.Linear(1, 8), head=nn.Sequential(nn.SiLU(), nn.Linear(8, 1)))
        self.module = nn.Sequential(layers)

    def parts(self) -> dict[str, Tensor]:
        return {name: p.detach().clone() for name, p in self.module.named_parameters()}


@pytest.mark.parametrize("share", [0.2, 0.0])
def test_what_was_trained_before_moves_by_a_share_of_the_rate(tmp_path: Path, share: float) -> None:
    task = TrunkTask()
    before = task.parts()
    run(task, tmp_path, steps=1, warmup=1, cooldown=0.0, weight_decay=0.0, trunk_rate=share)
    # Adam's first step is as long as its rate, whatever the gradient.
    for name, after in task.parts().items():
        rate = 1e-2 * (share if name.startswith("trunk.") else 1)
        assert (after - before[name]).abs().max().item() == pytest.approx(rate, rel=1e-3), name


def test_a_run_with_a_trunk_is_resumed_as_well(tmp_path: Path) -> None:
    through, first, second = TrunkTask(), TrunkTask(stop_before=3), TrunkTask()
    run(through, tmp_path / "through")
    with pytest.raises(KeyboardInterrupt):
        run(first, tmp_path / "stopped")
    run(second, tmp_path / "stopped")
    assert first.losses + second.losses == through.losses
    averaged = TrunkTask().module
    load_averaged(averaged, tmp_path / "through" / "area.pt")
    wanted = torch.cat([p.detach().flatten() for p in averaged.parameters()])
    assert torch.equal(wanted, through.at_validation[-1]), "each averaged tensor in its own place"


def test_a_batch_stacks_every_field() -> None:
    batch = sphere_batch(3)
    assert batch.view_rgba.shape == (3, 6, 4, 32, 32)
    assert batch.reference_rgba.shape == (3, 4, 64, 64)
    assert batch.elevation.shape == (3,)
    assert torch.equal(batch.sdf[2], SphereSource(3)[2].sdf)
