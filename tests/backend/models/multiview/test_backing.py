"""Cutting out what is drawn on a known grey: put back nothing has changed; the outline is the object's."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from backend.geometry.cameras import six_view_cameras
from backend.models.multiview.backing import cut_out, put_back
from tests.backend.models.painted_sphere import view_sphere


def drawn(rgba: Tensor, backing: float, noise: float = 0.004) -> Tensor:
    """As a VAE decodes it: the backing is not quite even."""
    on_backing = put_back(rgba, backing)
    draw = torch.Generator().manual_seed(0)
    return (on_backing + noise * torch.randn(on_backing.shape, generator=draw)).clamp(0, 1)


@pytest.fixture(scope="module")
def sphere() -> Tensor:
    return view_sphere(six_view_cameras(2.4), 96).rgba


@pytest.mark.parametrize("backing", [1.0, 0.5])
def test_the_outline_is_the_objects(sphere: Tensor, backing: float) -> None:
    # The paint passes through mid-grey, where nothing can be told from a grey backing.
    coloured = torch.cat([sphere[:, :3] * torch.tensor([1, 0.5, 0.2])[:, None, None], sphere[:, 3:]], dim=1)
    found = cut_out(drawn(coloured, backing), backing)
    assert (found[:, 3] - sphere[:, 3]).abs().mean() < 0.01
    inside = sphere[:, 3] > 0.99
    assert (found[:, :3] - coloured[:, :3]).abs().permute(0, 2, 3, 1)[inside].mean() < 0.01


@pytest.mark.parametrize("backing", [1.0, 0.5])
def test_back_on_the_backing_nothing_has_changed(sphere: Tensor, backing: float) -> None:
    picture = drawn(sphere, backing)
    again = put_back(cut_out(picture, backing), backing)
    assert (again - picture).abs().max() <= 10 / 255 + 1e-5


def test_a_hole_is_open_and_a_highlight_is_not() -> None:
    picture = torch.ones(1, 3, 64, 64)
    picture[..., 8:56, 8:56] = torch.tensor([0.6, 0.3, 0.2])[:, None, None]
    picture[..., 14:26, 14:26] = 1.0
    picture[..., 40:43, 40:43] = 1.0
    alpha = cut_out(picture, 1.0)[0, 3]
    assert alpha[20, 20] == 0
    assert alpha[41, 41] == 1
    assert alpha[30, 30] == 1
    assert alpha[2, 2] == 0


def test_a_white_object_keeps_its_shaded_body() -> None:
    """White on white: the outline is where the shading begins, and the composite stays what was drawn."""
    picture = torch.ones(1, 3, 64, 64)
    picture[..., 16:48, 16:48] = 0.94
    found = cut_out(picture, 1.0)
    assert found[0, 3, 17:47, 17:47].min() > 0.99
    torch.testing.assert_close(put_back(found, 1.0), picture)


def test_an_empty_view_is_transparent() -> None:
    assert cut_out(torch.ones(1, 3, 16, 16), 1.0)[0, 3].max() == 0
