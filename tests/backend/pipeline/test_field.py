from __future__ import annotations

import pytest
import torch

from backend.packs.loading import Pack
from backend.pipeline.field import reconstruct_field
from backend.pipeline.stage_data import Field, FieldSamples, NormalViews, Views
from tests.backend.pipeline.seen_plate import seen_plate
from tests.backend.pipeline.true_pack import CAMERAS, ELEVATION, RADIUS, Recorder, true_pack, true_views

POINTS = torch.rand(3000, 3, generator=torch.Generator().manual_seed(0)) - 0.5


@pytest.fixture(scope="module")
def pack() -> Pack:
    return true_pack()


def reconstruct(pack: Pack, *, depth: bool = True, progress: Recorder | None = None) -> Field:
    truth = true_views()
    return reconstruct_field(
        Views(truth.rgba, CAMERAS, ELEVATION),
        NormalViews(truth.normals, truth.depth if depth else None),
        pack,
        progress or Recorder(),
    )


@pytest.mark.parametrize("depth", [True, False])
def test_the_field_is_the_views_object(pack: Pack, depth: bool) -> None:
    field = reconstruct(pack, depth=depth)
    inside, truth = field.sdf(POINTS) < 0, POINTS.norm(dim=1) < RADIUS
    assert float((inside & truth).sum() / (inside | truth).sum()) > 0.85
    assert field.half_extent >= 0.5, "the model frame's sphere must fit in"


def test_what_the_reference_shows_is_the_fields_shape(pack: Pack) -> None:
    truth, far = true_views(), torch.tensor([[0.0, RADIUS + 0.05, 0.0]])
    field = reconstruct_field(
        Views(truth.rgba, CAMERAS, ELEVATION, seen_plate(2 * RADIUS + 0.2, 0.05)),
        NormalViews(truth.normals, truth.depth),
        pack,
        Recorder(),
    )
    assert float(field.sdf(far)) < 0 < float(reconstruct(pack).sdf(far))


def test_samples_are_single_precision_and_agree_with_the_distance(pack: Pack) -> None:
    field = reconstruct(pack)
    samples = field.sample(POINTS)
    assert isinstance(samples, FieldSamples)
    assert torch.equal(samples.sdf, field.sdf(POINTS))
    for name, shape in (
        ("sdf", (3000,)),
        ("albedo", (3000, 3)),
        ("roughness", (3000,)),
        ("metallic", (3000,)),
    ):
        values = getattr(samples, name)
        assert (values.dtype, tuple(values.shape)) == (torch.float32, shape)
        assert not values.requires_grad
        if name != "sdf":
            assert values.min() >= 0
            assert values.max() <= 1


def test_reduced_precision_does_not_step_the_surface(pack: Pack) -> None:
    """Along a line through the surface the distance grows evenly: its rounding would show as terraces."""
    line = (
        torch.linspace(-0.03, 0.03, 61)[:, None] * CAMERAS.camera_to_world[0, :3, 0]
        + RADIUS * CAMERAS.camera_to_world[0, :3, 0]
    )
    growth = reconstruct(pack).sdf(line).diff()
    assert growth.min() > 0
    assert growth.std() < 0.5 * growth.mean()


def test_both_ends_of_the_stage_are_reported(pack: Pack) -> None:
    progress = Recorder()
    reconstruct(pack, progress=progress)
    assert progress.heard == [("field", 0.0), ("field", 1.0)]
