"""One training loop for all of nano's models: EMA, exact resume, a log of losses and throughput.

Batches are drawn by (seed, step), not from a stream, and the generators are restored from the checkpoint: a
run that was stopped and resumed takes the same steps as one that was not.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from backend.training.dataset import Example


@dataclass(frozen=True)
class TrainOptions:
    """How long and how fast to train."""

    steps: int
    batch: int = 8
    learning_rate: float = 5e-4
    weight_decay: float = 0.01
    warmup: int = 100
    """Steps of linear warm-up."""
    cooldown: float = 0.25
    """Share of the steps, at the end, over which the rate falls linearly to zero."""
    ema: float = 0.998
    clip: float = 1.0
    """Largest gradient norm."""
    trunk_rate: float = 0.2
    """Share of the learning rate that parameters below `trunk` get: they were trained before."""
    seed: int = 0
    checkpoint_minutes: float = 4.0
    validate_every: int = 250
    validation: int = 48
    """Held-out samples to validate on, at most."""


ExampleT = TypeVar("ExampleT")
ExampleT_co = TypeVar("ExampleT_co", covariant=True)
BatchT = TypeVar("BatchT")
BatchT_contra = TypeVar("BatchT_contra", contravariant=True)


class ExampleSource(Protocol[ExampleT_co]):
    """A collection of training samples."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> ExampleT_co: ...


class Task(Protocol[BatchT_contra]):
    """What a model's own script provides."""

    name: str
    module: nn.Module
    """Holds the parameters that are trained."""

    def loss(
        self, batch: BatchT_contra, generator: torch.Generator
    ) -> tuple[Float[Tensor, ""], dict[str, float]]:
        """The loss of one batch, and figures for the log."""

    def validate(self, batches: Sequence[BatchT_contra], generator: torch.Generator) -> dict[str, float]:
        """Figures on held-out packs, computed with the averaged weights in place."""


@dataclass(frozen=True)
class Batch:
    """Examples stacked along a first axis; fields as in `Example`."""

    view_rgba: Float[Tensor, "batch 6 4 h w"]
    view_normal: Float[Tensor, "batch 6 3 h w"]
    view_depth: Float[Tensor, "batch 6 h w"]
    reference_rgba: Float[Tensor, "batch 4 2*h 2*w"]
    reference_front: Float[Tensor, "batch 3 h w"]
    reference_back: Float[Tensor, "batch 3 h w"]
    elevation: Float[Tensor, " batch"]
    points: Float[Tensor, "batch point 3"]
    sdf: Float[Tensor, "batch point"]
    surface_points: Float[Tensor, "batch surface 3"]
    surface_normals: Float[Tensor, "batch surface 3"]
    surface_material: Float[Tensor, "batch surface 5"]

    @classmethod
    def stack(cls, examples: Sequence[Example], device: torch.device) -> Batch:
        return cls(**stack_fields(cls, examples, device))


def stack_fields(kind: type, examples: Sequence[object], device: torch.device) -> dict[str, Tensor]:
    """The examples' values of every field of the dataclass `kind`, along a new first axis."""
    return {f.name: torch.stack([getattr(e, f.name) for e in examples]).to(device) for f in fields(kind)}


def learning_rate_factor(step: int, options: TrainOptions) -> float:
    """Linear warm-up, constant, linear cool-down to zero."""
    cooldown = max(1.0, options.cooldown * options.steps)
    return max(0.0, min(1.0, (step + 1) / options.warmup, (options.steps - step) / cooldown))


def train(
    task: Task[BatchT],
    data: Callable[[bool], ExampleSource[ExampleT]],
    stack: Callable[[Sequence[ExampleT], torch.device], BatchT],
    folder: Path,
    options: TrainOptions,
    device: torch.device,
) -> None:
    """Train `task.module` to `options.steps`, going on from `folder`'s checkpoint if there is one.

    Args:
        data: opens the validation (True) or training (False) samples. The training set is opened anew now
            and then, so that shards still being rendered join as they are finished.
        stack: joins examples to a batch on a device.
        folder: `NAME.pt` is the checkpoint, `NAME.jsonl` the log.
    """
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = folder / f"{task.name}.pt"
    module = task.module.to(device)
    named = [(name, p) for name, p in module.named_parameters() if p.requires_grad]
    parameters: list[Tensor] = [p for _, p in named]
    averaged = [p.detach().clone() for p in parameters]
    trunk = [p for name, p in named if name.startswith("trunk.")]
    rest = [p for name, p in named if not name.startswith("trunk.")]
    groups = [{"params": rest, "scale": 1.0}, {"params": trunk, "scale": options.trunk_rate}]
    optimizer = torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=options.learning_rate,
        weight_decay=options.weight_decay,
        betas=(0.9, 0.98),
    )
    generator = torch.Generator(device="cpu").manual_seed(options.seed)
    step, trained_seconds = 0, 0.0
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location=device, weights_only=True)
        module.load_state_dict(state["module"])
        optimizer.load_state_dict(state["optimizer"])
        averaged = [tensor.to(device) for tensor in state["averaged"]]
        generator.set_state(state["generator"].cpu())
        step, trained_seconds = state["step"], state["seconds"]

    def save() -> None:
        partial = checkpoint.with_suffix(".part")
        torch.save(
            {
                "module": module.state_dict(),
                "averaged": averaged,
                "optimizer": optimizer.state_dict(),
                "generator": generator.get_state(),
                "step": step,
                "seconds": trained_seconds,
            },
            partial,
        )
        os.replace(partial, checkpoint)

    def log(entry: dict[str, float]) -> None:
        line = {"step": step, "minutes": round(trained_seconds / 60, 2), **entry}
        with (folder / f"{task.name}.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(task.name, " ".join(f"{k}={v:.5g}" for k, v in line.items()), flush=True)

    training = data(False)
    held_out = data(True)
    judged = min(options.validation, len(held_out))
    validation = [
        stack([held_out[int(i)] for i in chunk], device)
        for chunk in np.array_split(
            np.random.default_rng(1).choice(len(held_out), judged, replace=False), min(6, judged)
        )
    ]
    values: dict[str, list[float]] = {}
    count, last_save, window = 0, time.monotonic(), time.monotonic()
    module.train()
    while step < options.steps:
        rng = np.random.default_rng([options.seed, step])
        chosen = rng.integers(0, len(training), options.batch)
        batch = stack([training[int(i)] for i in chosen], device)
        for group in optimizer.param_groups:
            group["lr"] = options.learning_rate * group["scale"] * learning_rate_factor(step, options)
        loss, figures = task.loss(batch, generator)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(parameters, options.clip)
        optimizer.step()
        decay = min(options.ema, (1 + step) / (10 + step))
        with torch.no_grad():
            torch._foreach_lerp_(averaged, parameters, 1 - decay)
        step += 1
        count += 1
        for name, value in {"loss": loss.item(), "norm": norm.item(), **figures}.items():
            values.setdefault(name, []).append(value)
        now = time.monotonic()
        if step % 50 == 0 or step == options.steps:
            elapsed = now - window
            trained_seconds += elapsed
            log(
                # A figure may be missing from some steps, so each has its own count.
                {name: sum(seen) / len(seen) for name, seen in values.items()}
                | {"samples_per_second": count * options.batch / elapsed}
            )
            values, count, window = {}, 0, now
        if step % options.validate_every == 0 or step == options.steps:
            with averaged_weights(parameters, averaged), torch.no_grad():
                module.eval()
                log(task.validate(validation, torch.Generator(device="cpu").manual_seed(1)))
                module.train()
            training = data(False)
            window = time.monotonic()
        if now - last_save > options.checkpoint_minutes * 60 or step == options.steps:
            save()
            last_save = time.monotonic()


class averaged_weights:  # noqa: N801 - a context manager reads as a function
    """Puts the averaged weights in place for a while."""

    def __init__(self, parameters: Sequence[Tensor], averaged: Sequence[Tensor]) -> None:
        self._parameters, self._averaged = parameters, averaged
        self._own: list[Tensor] = []

    def __enter__(self) -> None:
        self._own = [p.detach().clone() for p in self._parameters]
        with torch.no_grad():
            torch._foreach_copy_(list(self._parameters), list(self._averaged))

    def __exit__(self, *_: object) -> None:
        with torch.no_grad():
            torch._foreach_copy_(list(self._parameters), self._own)


def load_averaged(module: nn.Module, checkpoint: Path) -> int:
    """Put a checkpoint's averaged weights into `module`; returns its step.

    Raises:
        FileNotFoundError: there is no such checkpoint; the model before this one is not trained yet.
    """
    if not checkpoint.exists():
        raise FileNotFoundError(f"{checkpoint} is missing: train {checkpoint.stem} first.")
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    module.load_state_dict(state["module"])
    trainable: list[Tensor] = [p for p in module.parameters() if p.requires_grad]
    with torch.no_grad():
        torch._foreach_copy_(trainable, state["averaged"])
    return int(state["step"])
