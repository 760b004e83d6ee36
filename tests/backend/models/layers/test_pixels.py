from __future__ import annotations

import pytest
import torch

from backend.models.layers.pixels import shrink


def red_on_blue(size: int) -> torch.Tensor:
    """An opaque red disc over blue that nobody is to see."""
    steps = (torch.arange(size) + 0.5) / size * 2 - 1
    inside = (steps[:, None].square() + steps.square() < 0.5).float()
    return torch.stack([inside, torch.zeros_like(inside), 1 - inside, inside])[None]


@pytest.mark.parametrize("size", [16, 24, 32])
def test_no_fringe_of_hidden_colours(size: int) -> None:
    small = shrink(red_on_blue(64), size)
    assert small.shape == (1, 4, size, size)
    rim = (small[0, 3] > 0.01) & (small[0, 3] < 0.99)
    assert rim.sum() > 20
    seen = small[0, :3, small[0, 3] > 0.01]
    torch.testing.assert_close(seen, torch.tensor([1.0, 0.0, 0.0])[:, None].expand_as(seen))


def test_coverage_is_averaged_over_each_pixels_area() -> None:
    image = red_on_blue(64)
    assert float(shrink(image, 16)[0, 3].mean()) == pytest.approx(float(image[0, 3].mean()), abs=1e-3)


def test_half_a_pixel_of_two_colours_is_their_mean_under_alpha() -> None:
    image = torch.zeros(1, 4, 4, 4)
    image[:, :, :, ::2] = torch.tensor([1.0, 0.0, 0.0, 0.75])[:, None, None]
    image[:, :, :, 1::2] = torch.tensor([0.0, 1.0, 0.0, 0.25])[:, None, None]
    # The filter of twice the pixel's width weighs even and odd columns alike, but at the image's rim.
    middle = shrink(image, 1)[0, :, 0, 0]
    torch.testing.assert_close(middle, torch.tensor([0.75, 0.25, 0.0, 0.5]))


def test_at_the_same_size_what_is_seen_stays() -> None:
    image = torch.rand(2, 4, 8, 8, generator=torch.Generator().manual_seed(0)) * 0.9 + 0.1
    torch.testing.assert_close(shrink(image, 8), image)
