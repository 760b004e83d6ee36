"""Each model's loss falls on two painted spheres, and training touches what it should and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from backend.models.multiview.draft import draft_views
from backend.models.multiview.nano_denoiser import COLOUR, NORMAL, decode_normals, encode_colour
from backend.models.multiview.nano_sampler import NORMAL_START, VIEW_START, make_scheduler
from backend.models.presets import TINY
from backend.models.reconstructor.nano_voxel import FieldValues
from backend.packs.loading import NanoModules, build_nano
from backend.training.loop import Batch, Task
from backend.training.train_coordinates import CoordinateTask
from backend.training.train_reconstructor import ReconstructorTask
from backend.training.train_views import (
    VIEW_SHIFT,
    NormalTask,
    ViewTask,
    _Noising,
    clean_target,
    encoded_draft,
)
from tests.backend.training.sphere_examples import sphere_batch

MakeTask = Callable[[NanoModules], Task]


def coordinate_task(modules: NanoModules) -> Task:
    return CoordinateTask(modules.coordinates, torch.float32)


def view_task(modules: NanoModules) -> Task:
    return ViewTask(modules.views, modules.coordinates, make_scheduler(), torch.float32)


def normal_task(modules: NanoModules) -> Task:
    return NormalTask(modules.normals, modules.views, modules.coordinates, make_scheduler(), torch.float32)


def reconstructor_task(modules: NanoModules) -> Task:
    return ReconstructorTask(modules.reconstructor, torch.float32)


def tiny_modules() -> NanoModules:
    torch.manual_seed(0)
    return build_nano(TINY)


def overfit(task: Task, batch: Batch, steps: int, rate: float) -> list[float]:
    """Losses under equal draws, so that they differ by the weights alone."""
    optimizer = torch.optim.AdamW([p for p in task.module.parameters() if p.requires_grad], lr=rate)
    losses = []
    for _ in range(steps):
        loss, figures = task.loss(batch, torch.Generator().manual_seed(5))
        assert all(isinstance(value, float) for value in figures.values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize(
    ("make", "steps", "falls_to"),
    [(coordinate_task, 6, 0.5), (view_task, 6, 0.6), (normal_task, 10, 0.9), (reconstructor_task, 10, 0.85)],
)
def test_the_loss_falls_on_two_samples(make: MakeTask, steps: int, falls_to: float) -> None:
    losses = overfit(make(tiny_modules()), sphere_batch(), steps, rate=5e-3)
    assert min(losses) < falls_to * losses[0]


@pytest.mark.parametrize("make", [coordinate_task, view_task, normal_task, reconstructor_task])
def test_every_parameter_of_the_trained_module_is_used(make: MakeTask) -> None:
    task = make(tiny_modules())
    batch = sphere_batch()
    overfit(task, batch, 2, 1e-3)  # what was initialised at zero lets gradients through from now on
    for parameter in task.module.parameters():
        parameter.grad = None
    task.loss(batch, torch.Generator().manual_seed(5))[0].backward()
    unused = {name for name, p in task.module.named_parameters() if p.grad is None or not p.grad.any()}
    assert unused == set()


def test_training_the_control_leaves_the_base_alone() -> None:
    modules = tiny_modules()
    task = normal_task(modules)
    before = {name: p.clone() for name, p in modules.views.named_parameters()}
    control = {name: p.clone() for name, p in modules.normals.named_parameters()}
    overfit(task, sphere_batch(), 2, 1e-3)
    for name, parameter in modules.views.named_parameters():
        assert torch.equal(parameter, before[name])
        assert parameter.grad is None
    changed = [name for name, p in modules.normals.named_parameters() if not torch.equal(p, control[name])]
    assert len(changed) > 0.9 * len(control)


def test_training_the_views_leaves_the_coordinates_alone() -> None:
    modules = tiny_modules()
    before = {name: p.clone() for name, p in modules.coordinates.named_parameters()}
    overfit(view_task(modules), sphere_batch(), 2, 1e-3)
    for name, parameter in modules.coordinates.named_parameters():
        assert torch.equal(parameter, before[name])
        assert parameter.grad is None


@pytest.mark.parametrize("make", [coordinate_task, view_task, normal_task, reconstructor_task])
def test_a_loss_repeats_and_leaves_its_batch_as_it_was(make: MakeTask) -> None:
    task, batch = make(tiny_modules()), sphere_batch()
    copy = replace(batch, **{name: value.clone() for name, value in vars(batch).items()})
    with torch.no_grad():
        one, two = (task.loss(batch, torch.Generator().manual_seed(2))[0] for _ in range(2))
    assert torch.equal(one, two)
    for name, value in vars(copy).items():
        assert torch.equal(value, getattr(batch, name)), name


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (
            coordinate_task,
            {"val_front", "val_back", "val_slope", "val_elevation", "val_front_upright"},
        ),
        (
            view_task,
            {f"val_{domain}_{step}" for domain in ("colour", "normal") for step in (VIEW_SHIFT, VIEW_START)},
        ),
        (
            normal_task,
            {
                f"val_{what}_{step}"
                for what in ("error", "degrees")
                for step in (NORMAL_START, NORMAL_START // 2)
            },
        ),
        (
            reconstructor_task,
            {
                f"val_{n}"
                for n in ("occupancy", "sdf", "albedo", "roughness", "metallic", "iou", "iou_without_depth")
            },
        ),
    ],
)
def test_validation_gives_its_figures(make: MakeTask, names: set[str]) -> None:
    task = make(tiny_modules())
    with torch.no_grad():
        figures = task.validate([sphere_batch()], torch.Generator().manual_seed(1))
    assert set(figures) == names
    assert all(value == value and value >= 0 for value in figures.values())


def test_the_untrained_reconstructor_is_scored_as_the_visual_hull() -> None:
    figures = reconstructor_task(tiny_modules()).validate([sphere_batch()], torch.Generator())
    assert figures["val_iou"] > 0.85
    assert figures["val_iou"] == figures["val_iou_without_depth"]


def test_the_truth_has_the_least_loss() -> None:
    batch = sphere_batch()
    material = batch.surface_material
    beside = torch.zeros_like(
        batch.surface_points[..., 0]
    )  # the distance at surface points is not supervised

    def parts(sdf: Tensor, change: float = 0.0) -> dict[str, float]:
        padding = torch.zeros_like(batch.sdf)
        albedo = torch.cat([padding[..., None].expand(-1, -1, 3), material[..., :3] + change], dim=1)
        rough, metal = (torch.cat([padding, material[..., k] + change], dim=1) for k in (3, 4))
        values = FieldValues(torch.cat([sdf, beside], dim=1), albedo, rough, metal, torch.zeros_like(rough))
        return {k: v.item() for k, v in ReconstructorTask._parts(values, batch.sdf, material).items()}

    truth = parts(batch.sdf)
    assert [truth[name] for name in ("sdf", "albedo", "roughness", "metallic")] == [0, 0, 0, 0]
    for wrong in (batch.sdf + 0.01, batch.sdf - 0.01, -batch.sdf):
        worse = parts(wrong, change=0.1)
        assert all(worse[name] > truth[name] for name in truth)
    assert parts(batch.sdf, change=0.1)["albedo"] == pytest.approx(0.1)
    far = parts(torch.where(batch.sdf > 0.1, batch.sdf + 5, batch.sdf))
    assert far["sdf"] == 0, "beyond the truncation only the sign counts"


def test_targets_follow_each_samples_domain() -> None:
    modules, batch = tiny_modules(), sphere_batch()
    target = clean_target(modules.views, batch.view_rgba, batch, torch.tensor([COLOUR, NORMAL]))
    assert torch.equal(target[0], encode_colour(batch.view_rgba)[0])
    whole = batch.view_rgba[1, :, 3] == 1
    torch.testing.assert_close(
        target[1, :, :3].permute(0, 2, 3, 1)[whole], _last(batch.view_normal[1])[whole]
    )
    nearness = (TINY.view_distance - batch.view_depth[1]) * 2
    torch.testing.assert_close(target[1, :, 3][whole], nearness[whole])


def test_the_noise_leads_from_the_noised_draft_to_the_truth() -> None:
    noising, scheduler = _Noising(make_scheduler(), NORMAL_START), make_scheduler()
    clean, draft = torch.rand(2, 6, 4, 8, 8), torch.rand(2, 6, 4, 8, 8)
    at_start, at_end = (
        noising.add(clean, draft, torch.full((2,), step), torch.Generator().manual_seed(0))
        for step in (NORMAL_START, 0)
    )
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    noised_draft = scheduler.add_noise(draft, noise, torch.tensor([NORMAL_START, NORMAL_START]))  # type: ignore[arg-type]
    torch.testing.assert_close(at_start, noised_draft, msg="where the sampler begins")
    assert (at_end - clean).abs().mean() < 0.05


def test_steps_are_drawn_up_to_the_start_and_often_there() -> None:
    steps = _Noising(make_scheduler(), NORMAL_START).draw_steps(4000, torch.Generator().manual_seed(0))
    assert steps.min() < 5
    assert steps.max() == NORMAL_START
    assert float((steps == NORMAL_START).float().mean()) == pytest.approx(0.33, abs=0.04)


def test_the_draft_is_encoded_as_its_target_is() -> None:
    modules, batch = tiny_modules(), sphere_batch()
    draft = draft_views(modules.coordinates, batch.reference_rgba, modules.views.cameras)
    encoded = encoded_draft(modules.views, draft, torch.tensor([COLOUR, NORMAL]))
    assert torch.equal(encoded[0], encode_colour(draft.rgba)[0])
    normals, depth = decode_normals(encoded[1], TINY.view_distance)
    covered = draft.rgba[1, :, 3] == 1
    torch.testing.assert_close(_last(normals)[covered], _last(draft.normals[1])[covered])
    near = (draft.depth[1] - TINY.view_distance).abs() < 0.5
    torch.testing.assert_close(depth[covered & near], draft.depth[1][covered & near])


def _last(image: Tensor) -> Tensor:
    return image.permute(0, 2, 3, 1)
