"""The lattice decoder against the point sampler, and the planes' axes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from backend.models.layers.mlp import mlp
from backend.models.layers.triplane import LRM_AXES, TRIPOSR_AXES, PlaneAxes, decode_lattice, sample_triplane


@pytest.mark.parametrize("axes", [LRM_AXES, TRIPOSR_AXES])
def test_a_lattice_decodes_to_what_its_points_decode_to(axes: PlaneAxes) -> None:
    torch.manual_seed(0)
    planes = torch.randn(3, 5, 6, 6)
    decoder = mlp(15, 8, 2, 3, nn.ReLU)
    ticks = torch.linspace(-1.2, 1.2, 7)
    points = torch.cartesian_prod(ticks, ticks, ticks)
    expected = decoder(sample_triplane(planes[None], points[None], axes)[0]).reshape(7, 7, 7, 2)
    torch.testing.assert_close(torch.stack(list(decode_lattice(planes, decoder, ticks, axes))), expected)


def test_a_decoder_without_a_first_linear_is_refused() -> None:
    with pytest.raises(TypeError, match="begin with a Linear"):
        next(decode_lattice(torch.zeros(3, 1, 2, 2), nn.Sequential(nn.ReLU()), torch.zeros(2), LRM_AXES))


@pytest.mark.parametrize(("axes", "width", "height"), [(LRM_AXES, 2, 1), (TRIPOSR_AXES, 1, 2)])
def test_the_third_planes_axes(axes: PlaneAxes, width: int, height: int) -> None:
    """A feature that grows along the plane's width (height) is read off by that coordinate."""
    ramp = (torch.arange(8) + 0.5) / 4 - 1
    planes = torch.zeros(1, 3, 2, 8, 8)
    planes[0, 2, 0], planes[0, 2, 1] = ramp[None, :], ramp[:, None]
    point = torch.tensor([[[0.1, 0.3, -0.4]]])
    features = sample_triplane(planes, point, axes)[0, 0, 4:]
    torch.testing.assert_close(features, point[0, 0, [width, height]])
