from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from backend.models.multiview.coordinate_net import ObjectCoordinates, camera_axes
from backend.training.reference_dataset import ReferenceBatch
from backend.training.train_coordinates import CoordinateTask
from tests.backend.training.sphere_examples import reference_batch


class Answers(nn.Module):
    """A net that gives the same answer to every image."""

    def __init__(self, answer: ObjectCoordinates) -> None:
        super().__init__()
        self._answer = answer

    def forward(self, reference: Tensor) -> ObjectCoordinates:
        return self._answer


@pytest.fixture(scope="module")
def batch() -> ReferenceBatch:
    return reference_batch()


def answer(
    batch: ReferenceBatch, front_error: float | Tensor = 0.0, elevation_error: float = 0.0
) -> ObjectCoordinates:
    """The truth in the camera's axes, off by `front_error` along its first."""
    axes = camera_axes(batch.elevation)
    front, back = (
        torch.einsum("bij,bjhw->bihw", axes, surface)
        for surface in (batch.reference_front, batch.reference_back)
    )
    front[:, 0] += front_error
    return ObjectCoordinates(front, back, batch.elevation + elevation_error)


def loss(batch: ReferenceBatch, given: ObjectCoordinates) -> tuple[float, dict[str, float]]:
    task = CoordinateTask(Answers(given), torch.float32)  # type: ignore[arg-type]
    value, figures = task.loss(batch, torch.Generator().manual_seed(0))
    return value.item(), figures


def inside(batch: ReferenceBatch) -> Tensor:
    return torch.nn.functional.avg_pool2d(batch.reference_rgba[:, 3], 2) > 0.5


def test_the_truth_has_no_loss(batch: ReferenceBatch) -> None:
    value, figures = loss(batch, answer(batch))
    assert value == pytest.approx(0, abs=1e-6)
    assert set(figures) == {"front", "back", "slope", "elevation"}
    assert all(figure == pytest.approx(0, abs=1e-6) for figure in figures.values())


def test_an_offset_costs_its_size_and_no_slope(batch: ReferenceBatch) -> None:
    value, figures = loss(batch, answer(batch, 0.1))
    assert figures["front"] == pytest.approx(0.1)
    assert figures["back"] == pytest.approx(0, abs=1e-6)
    assert figures["slope"] == pytest.approx(0, abs=1e-6)
    assert value == pytest.approx(0.1)


def test_a_ramp_costs_its_slope_at_three_scales(batch: ReferenceBatch) -> None:
    """Along the rows 1, 2 and 4 pixels of it, down the columns none, each weighed alike."""
    ramp = 0.01 * torch.arange(batch.reference_front.shape[-1])
    value, figures = loss(batch, answer(batch, ramp))
    assert figures["slope"] == pytest.approx(0.01 * (1 + 2 + 4) / 6, rel=1e-4)
    assert value == pytest.approx(figures["front"] + figures["slope"], rel=1e-4)
    down = loss(batch, answer(batch, ramp[:, None]))[1]
    assert down["slope"] == pytest.approx(figures["slope"], rel=1e-4)


def test_only_the_objects_pixels_count(batch: ReferenceBatch) -> None:
    error = torch.full(batch.reference_front[:, 0].shape, 7.0)
    error[inside(batch)] = 0
    value, _ = loss(batch, answer(batch, error))
    assert value == pytest.approx(0, abs=1e-6)
    assert inside(batch).any()


def test_pixels_whose_ray_missed_do_not_count(batch: ReferenceBatch) -> None:
    """Coverage at the image's resolution may say more than half where no position is."""
    fields = vars(batch) | {"reference_front": batch.reference_front.clone()}
    fields["reference_front"][:, :, 16, 10:20] = 0
    holed = ReferenceBatch(**fields)
    error = torch.zeros(batch.reference_front[:, 0].shape)
    error[:, 16, 10:20] = 7
    assert loss(holed, answer(batch, error))[0] == pytest.approx(0, abs=1e-6)


def test_an_elevation_of_30_degrees_weighs_as_a_third_of_a_unit(batch: ReferenceBatch) -> None:
    for sign in (1, -1):
        value, figures = loss(batch, answer(batch, elevation_error=sign * 15))
        assert figures["elevation"] == pytest.approx(15)
        assert figures["front"] == pytest.approx(0, abs=1e-6), (
            "positions are the camera's, whatever it thinks"
        )
        assert value == pytest.approx(0.3 * 15 / 30)


def test_validation_also_judges_the_positions_turned_upright(batch: ReferenceBatch) -> None:
    def figures(given: ObjectCoordinates) -> dict[str, float]:
        task = CoordinateTask(Answers(given), torch.float32)  # type: ignore[arg-type]
        return task.validate([batch, batch], torch.Generator())

    truth, tilted = figures(answer(batch)), figures(answer(batch, elevation_error=20))
    assert all(value == pytest.approx(0, abs=1e-6) for value in truth.values())
    assert tilted["val_elevation"] == pytest.approx(20)
    assert tilted["val_front"] == truth["val_front"]
    assert tilted["val_front_upright"] > 0.05
