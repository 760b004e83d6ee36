from __future__ import annotations

import numpy as np
from skimage.color import rgb2lab

from backend.geometry.reference_hues import take_hues

RNG = np.random.default_rng(0)


def picture(*colours: tuple[float, float, float], size: int = 16) -> np.ndarray:
    """Opaque, the colours in equal bands."""
    image = np.ones((size, size, 4), np.float32)
    for band, colour in zip(np.array_split(np.arange(size), len(colours)), colours, strict=True):
        image[band, :, :3] = colour
    return image


def noisy(image: np.ndarray, amount: float) -> np.ndarray:
    changed = image.copy()
    changed[..., :3] += RNG.normal(0, amount, image[..., :3].shape)
    return changed.clip(0, 1)


def hue_error(found: np.ndarray, wanted: np.ndarray) -> float:
    difference = rgb2lab(found[..., :3]) - rgb2lab(wanted[..., :3])
    return float(np.linalg.norm(difference[..., 1:], axis=-1).mean())


def test_a_plain_object_loses_foreign_hues_and_keeps_its_shading() -> None:
    grey_blue = picture((0.35, 0.45, 0.55))
    spotted = noisy(grey_blue, 0.05)
    found = take_hues(spotted, grey_blue)
    assert hue_error(found, grey_blue) < 0.2 * hue_error(spotted, grey_blue)
    lightness = [rgb2lab(image[..., :3])[..., 0] for image in (found, spotted)]
    np.testing.assert_allclose(*lightness, atol=0.5)


def test_colours_that_the_reference_has_stay_apart() -> None:
    two = picture((0.8, 0.2, 0.15), (0.2, 0.4, 0.8))
    found = take_hues(noisy(two, 0.03), two)
    assert hue_error(found, two) < 3
    np.testing.assert_allclose(take_hues(two, two), two, atol=0.01)


def test_a_colour_far_from_all_gets_the_nearest_ones_hue() -> None:
    found = take_hues(picture((0.1, 0.9, 0.1)), picture((0.9, 0.8, 0.2), (0.2, 0.2, 0.9)))
    red, green, blue = found[0, 0, :3]
    assert green > blue
    assert red > blue
    assert np.isfinite(found).all()


def test_alpha_and_what_is_invisible_stay() -> None:
    views = noisy(picture((0.5, 0.5, 0.5)), 0.1)[None].repeat(6, 0)
    views[..., 3] = RNG.random(views.shape[:-1])
    views[:, :4, :, 3] = 0
    found = take_hues(views, picture((0.7, 0.5, 0.3)))
    assert np.array_equal(found[..., 3], views[..., 3])
    assert np.array_equal(found[:, :4], views[:, :4])
    assert not np.array_equal(found[:, 4:], views[:, 4:])


def test_only_the_references_opaque_pixels_count() -> None:
    reference = picture((0.8, 0.2, 0.2), (0.1, 0.9, 0.1))
    reference[8:, :, 3] = 0.5
    found = take_hues(picture((0.3, 0.6, 0.3)), reference)
    assert found[0, 0, 0] > found[0, 0, 1]
    reference[..., 3] = 0
    views = picture((0.3, 0.6, 0.3))
    assert np.array_equal(take_hues(views, reference), views)
