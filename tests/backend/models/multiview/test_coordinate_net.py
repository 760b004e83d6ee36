from __future__ import annotations

import pytest
import torch

from backend.geometry.cameras import orbit_cameras
from backend.models.multiview.coordinate_net import (
    CoordinateNet,
    CoordinateNetConfig,
    ObjectCoordinates,
    camera_axes,
    see_twice,
)
from backend.models.presets import TINY
from tests.backend.models.painted_sphere import reference_of_sphere, view_sphere

ELEVATIONS = [-20.0, 0.0, 15.0, 60.0]
SIDE = TINY.coordinates.image_size


@pytest.fixture(scope="module")
def net() -> CoordinateNet:
    torch.manual_seed(0)
    return CoordinateNet(TINY.coordinates).eval().requires_grad_(False)


def images(count: int, seed: int = 0) -> torch.Tensor:
    """Noise behind an opaque square."""
    rgba = torch.rand(count, 4, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))
    rgba[:, 3] = 0
    rgba[:, 3, SIDE // 4 : -SIDE // 4, SIDE // 4 : -SIDE // 4] = 1
    return rgba


def test_the_axes_are_those_of_the_camera_at_azimuth_0() -> None:
    cameras = orbit_cameras([0.0] * 4, ELEVATIONS, 2.0)
    rotation = cameras.camera_to_world[:, :3, :3]
    torch.testing.assert_close(camera_axes(torch.tensor(ELEVATIONS)), rotation.transpose(1, 2))


def test_true_coordinates_turned_upright_are_the_worlds() -> None:
    seen = view_sphere(orbit_cameras([0.0] * 4, ELEVATIONS, 4.0, 15.0), 16)
    front, back = reference_of_sphere(ELEVATIONS, 16)[1].upright()
    torch.testing.assert_close(front, seen.front)
    torch.testing.assert_close(back, seen.back)


def test_upright_undoes_the_cameras_axes() -> None:
    elevation = torch.tensor(ELEVATIONS)
    front, back = torch.randn(2, 4, 3, 5, 6).unbind()
    upright = ObjectCoordinates(front, back, elevation).upright()
    for turned, given in zip(upright, (front, back), strict=True):
        torch.testing.assert_close(torch.einsum("bij,bjhw->bihw", camera_axes(elevation), turned), given)


def test_a_level_camera_is_upright_already() -> None:
    front, back = torch.randn(2, 1, 3, 4, 4).unbind()
    upright = ObjectCoordinates(front, back, torch.zeros(1)).upright()
    assert torch.equal(upright[0], front)
    assert torch.equal(upright[1], back)


def test_seen_from_above_the_near_rim_lies_below_the_far_one() -> None:
    """What a camera at 90 degrees has below its middle is in front of the object, towards +Z."""
    below = torch.tensor([0.0, -1.0, 0.0]).reshape(1, 3, 1, 1)
    upright, _ = ObjectCoordinates(below, below, torch.tensor([90.0])).upright()
    torch.testing.assert_close(upright.flatten(), torch.tensor([0.0, 0.0, 1.0]))


def test_positions_come_at_half_the_images_side_and_one_elevation_an_image(net: CoordinateNet) -> None:
    seen = net(images(3))
    assert seen.front.shape == seen.back.shape == (3, 3, SIDE // 2, SIDE // 2)
    assert seen.elevation.shape == (3,)
    assert not torch.equal(seen.front, seen.back)


def test_the_size_follows_the_configuration() -> None:
    wider = CoordinateNet(CoordinateNetConfig(image_size=96, width=32, layers=1, channels=(16, 16)))
    with torch.no_grad():
        assert wider(torch.rand(1, 4, 96, 96)).front.shape == (1, 3, 48, 48)


def test_colours_under_no_coverage_do_not_reach_the_coordinates(net: CoordinateNet) -> None:
    image = images(1)
    other = image.clone()
    other[:, :3] = torch.where(image[:, 3:] == 0, torch.rand(1, 3, SIDE, SIDE), image[:, :3])
    one, two = net(image), net(other)
    for name in ("front", "back", "elevation"):
        assert torch.equal(getattr(one, name), getattr(two, name)), name


def test_colours_and_coverage_do(net: CoordinateNet) -> None:
    image = images(1)
    recoloured, thinned = image.clone(), image.clone()
    recoloured[:, :3] = 1 - image[:, :3]
    thinned[:, 3] /= 2
    for other in (recoloured, thinned):
        assert (net(image).front - net(other).front).abs().max() > 1e-6


def test_a_batch_is_as_good_as_one_by_one(net: CoordinateNet) -> None:
    given = images(2)
    together = net(given)
    for k in range(2):
        alone = net(given[k : k + 1])
        torch.testing.assert_close(alone.front[0], together.front[k], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(alone.elevation[0], together.elevation[k], atol=1e-4, rtol=1e-4)


def test_mixed_precision_answers_in_float32_and_about_the_same(net: CoordinateNet) -> None:
    given = images(2)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = net(given)
        upright = mixed.upright()[0]
    exact = net(given)
    for name in ("front", "back", "elevation"):
        assert getattr(mixed, name).dtype == torch.float32
    assert (mixed.front - exact.front).abs().mean() < 0.1 * exact.front.std()
    assert (mixed.elevation - exact.elevation).abs().max() < 3
    assert upright.shape == mixed.front.shape


def mirrored(surface: torch.Tensor) -> torch.Tensor:
    """Of the mirror image: columns in the opposite order, the right on the left."""
    return surface.flip(-1) * torch.tensor([-1.0, 1.0, 1.0])[:, None, None]


def test_seen_twice_an_image_and_its_mirror_image_agree(net: CoordinateNet) -> None:
    image = images(2)
    one, other = see_twice(net, image), see_twice(net, image.flip(-1))
    torch.testing.assert_close(mirrored(other.front), one.front, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(mirrored(other.back), one.back, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(other.elevation, one.elevation, atol=1e-4, rtol=1e-4)
    assert (mirrored(net(image.flip(-1)).front) - one.front).abs().max() > 1e-3, "seen once they do not"


def test_seen_twice_is_the_mean(net: CoordinateNet) -> None:
    image = images(1)
    once, again, twice = net(image), net(image.flip(-1)), see_twice(net, image)
    torch.testing.assert_close(twice.front, (once.front + mirrored(again.front)) / 2, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(twice.elevation, (once.elevation + again.elevation) / 2, atol=1e-4, rtol=1e-4)
