from __future__ import annotations

import pytest
import torch

from backend.geometry.axes import Z_UP_CAMERA_ON_MINUS_Y, Z_UP_CAMERA_ON_X, ModelAxes


@pytest.mark.parametrize(
    ("axes", "camera"), [(Z_UP_CAMERA_ON_X, [1.0, 0, 0]), (Z_UP_CAMERA_ON_MINUS_Y, [0, -1.0, 0])]
)
def test_up_is_up_and_the_camera_is_in_front(axes: ModelAxes, camera: list[float]) -> None:
    assert axes.to_bozzetto(torch.tensor([0.0, 0, 1])).tolist() == [0, 1, 0]
    assert axes.to_bozzetto(torch.tensor(camera)).tolist() == [0, 0, 1]
    rotation = axes.to_bozzetto(torch.eye(3))
    assert torch.linalg.det(rotation) == 1, "nothing is mirrored"
    points = torch.randn(5, 4, 3)
    assert torch.equal(axes.to_model(axes.to_bozzetto(points)), points)


def test_reduced_precision_does_not_touch_coordinates() -> None:
    point = torch.tensor([[0.123456789, 0.987654321, 0.333333333]])
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(
            Z_UP_CAMERA_ON_X.to_model(point), point[:, [Z_UP_CAMERA_ON_X.axes.index(k) for k in range(3)]]
        )
