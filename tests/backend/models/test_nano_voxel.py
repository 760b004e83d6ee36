from __future__ import annotations

import pytest
import torch
from torch import Tensor

from backend.geometry.cameras import six_view_cameras
from backend.models.presets import TINY
from backend.models.reconstructor.nano_field import NanoField, NanoReconstructor
from backend.models.reconstructor.nano_voxel import NanoVoxelReconstructor
from tests.backend.models.painted_sphere import SphereViews, paint_of, view_sphere

SIZE = TINY.view_size
CAMERAS = six_view_cameras(TINY.view_distance)
RADIUS = 0.35
STEPS = torch.linspace(-0.475, 0.475, 24)
GRID = torch.stack(torch.meshgrid(STEPS, STEPS, STEPS, indexing="ij"), dim=-1).reshape(-1, 3)


@pytest.fixture(scope="module")
def views() -> SphereViews:
    return view_sphere(CAMERAS, SIZE, RADIUS)


def fresh() -> NanoVoxelReconstructor:
    torch.manual_seed(0)
    return NanoVoxelReconstructor(TINY.reconstructor, CAMERAS).eval()


def used() -> NanoVoxelReconstructor:
    """As after training: the heads say something."""
    net = fresh()
    for head in (net.sdf_head, net.material_head):
        torch.nn.init.normal_(head.weight, std=0.3)
    return net


def field_of(net: NanoVoxelReconstructor, views: SphereViews, depth: Tensor | None) -> NanoField:
    return NanoReconstructor(net).reconstruct(views.rgba, views.normals, depth)


def iou(a: Tensor, b: Tensor) -> float:
    return float((a & b).sum() / (a | b).sum())


def hull_of_sphere(points: Tensor) -> Tensor:
    """Inside the six cones that touch the sphere."""
    towards = points[None] - CAMERAS.positions[:, None]
    distance = CAMERAS.positions.norm(dim=1)[:, None]
    axis = -CAMERAS.positions[:, None] / distance[..., None]
    cosine = (towards * axis).sum(-1) / towards.norm(dim=-1)
    return (cosine > (1 - (RADIUS / distance).square()).sqrt()).all(dim=0)


def test_untrained_it_is_the_visual_hull(views: SphereViews) -> None:
    sdf = field_of(fresh(), views, views.depth).sdf(GRID)
    assert iou(sdf < 0, hull_of_sphere(GRID)) > 0.96
    assert iou(sdf < 0, GRID.norm(dim=1) < RADIUS) > 0.85


def test_depth_carves_what_a_view_looks_through(views: SphereViews) -> None:
    """A flat disk across the sphere, as one view sees it: what lies before it is outside."""
    axis = torch.nn.functional.normalize(CAMERAS.positions[0], dim=0)
    depth, facing, across = views.depth.clone(), views.normals.clone(), views.normals.clone()
    depth[0] = torch.where(depth[0] > 0, CAMERAS.positions[0].norm(), 0)
    facing[0] = axis[:, None, None]
    across[0] = torch.linalg.cross(axis, torch.tensor([0.0, 1, 0]))[:, None, None]
    net = NanoReconstructor(fresh())

    def sdf(normals: Tensor, depth: Tensor) -> Tensor:
        """Before the disk and behind it."""
        return net.reconstruct(views.rgba, normals, depth).sdf(
            axis * torch.tensor([[1.0], [-1.0]]) * RADIUS / 2
        )

    whole, carved = sdf(facing, views.depth), sdf(facing, depth)
    assert (whole < 0).all()
    assert carved[0] > 0.05
    assert carved[1] == whole[1]
    assert (sdf(across, depth) < 0).all(), "a pixel says next to nothing of a surface seen edge-on"


def test_an_object_beside_the_centre_is_where_its_views_show_it() -> None:
    centre = (0.12, 0.2, -0.15)
    views = view_sphere(CAMERAS, SIZE, 0.2, centre)
    sdf = field_of(fresh(), views, None).sdf(GRID)
    assert iou(sdf < 0, (GRID - torch.tensor(centre)).norm(dim=1) < 0.2) > 0.75


def test_the_hulls_distance_is_in_model_units(views: SphereViews) -> None:
    field = field_of(fresh(), views, None)
    # On the way to a camera that lies across, the cone's distance is the sphere's, to a pixel.
    centre = field.sdf(torch.zeros(1, 3))
    assert centre.item() == pytest.approx(-0.1, abs=1e-4), "saturates"
    rim = torch.nn.functional.normalize(
        torch.linalg.cross(CAMERAS.positions, torch.tensor([[0.0, 1, 0]]).expand(6, 3))
    )
    for offset in (-0.04, 0.0, 0.04):
        values = field.sdf(rim * (RADIUS + offset))
        assert values.tolist() == pytest.approx([offset] * 6, abs=0.02)


def test_untrained_colours_are_the_views(views: SphereViews) -> None:
    surface = torch.nn.functional.normalize(
        torch.randn(200, 3, generator=torch.Generator().manual_seed(0)), dim=1
    )
    values = field_of(fresh(), views, views.depth).sample(surface * RADIUS)
    assert values.albedo.shape == (200, 3)
    assert values.albedo.min() >= 0
    assert values.albedo.max() <= 1
    # Without training all six views have a say, so only the average is right.
    assert (values.albedo - paint_of(surface * RADIUS)).abs().mean() < 0.3
    assert torch.equal(values.roughness, torch.full((200,), 0.5))
    torch.testing.assert_close(values.metallic, torch.full((200,), 1 / (1 + torch.e**2)))


def test_no_depth_and_all_zero_depth_are_the_same(views: SphereViews) -> None:
    net = used()
    none = field_of(net, views, None).sample(GRID[::7])
    zero = field_of(net, views, torch.zeros_like(views.depth)).sample(GRID[::7])
    given = field_of(net, views, views.depth).sample(GRID[::7])
    for name in ("sdf", "albedo", "roughness", "metallic"):
        assert torch.equal(getattr(none, name), getattr(zero, name)), name
    assert (given.sdf - none.sdf).abs().max() > 1e-4, "depth is of use"


def test_samples_of_a_batch_may_have_depth_or_not(views: SphereViews) -> None:
    net = used()
    both = [t.expand(2, *t.shape) for t in (views.rgba, views.normals)]
    depth = torch.stack([views.depth, torch.zeros_like(views.depth)])
    with torch.no_grad():
        together = net.decode(net(*both, depth), GRID[None, ::7].expand(2, -1, -1))
        for row, own in ((0, views.depth[None]), (1, None)):
            alone = net.decode(net(views.rgba[None], views.normals[None], own), GRID[None, ::7])
            for name in ("sdf", "clearance"):
                wanted = getattr(alone, name)[0]
                torch.testing.assert_close(getattr(together, name)[row], wanted, atol=1e-5, rtol=1e-4)


def test_a_query_does_not_depend_on_its_neighbours(views: SphereViews) -> None:
    field = field_of(used(), views, views.depth)
    whole = field.sample(GRID[:1000])
    for start, stop in ((0, 1), (1, 300), (300, 1000)):
        part = field.sample(GRID[start:stop])
        for name in ("sdf", "albedo", "roughness", "metallic"):
            wanted = getattr(whole, name)[start:stop]
            torch.testing.assert_close(getattr(part, name), wanted, atol=1e-5, rtol=1e-4)
    assert torch.equal(field.sdf(GRID[:1000]), whole.sdf)


@pytest.mark.parametrize("name", ["rgba", "normals", "depth"])
def test_every_input_matters(views: SphereViews, name: str) -> None:
    inputs = {"rgba": views.rgba, "normals": views.normals, "depth": views.depth}
    changed = dict(inputs)
    if name == "rgba":
        changed["rgba"] = torch.cat([1 - views.rgba[:, :3], views.rgba[:, 3:]], dim=1)
    else:
        changed[name] = inputs[name] * 0.9
    net = NanoReconstructor(used())
    one, two = (net.reconstruct(**i).sdf(GRID[::11]) for i in (inputs, changed))
    assert (one - two).abs().max() > 1e-5


def test_the_volume_is_read_at_the_point_itself() -> None:
    """x, y and z of a query pick x, y and z of the volume, not their reverse."""
    net = fresh()
    latent_views = view_sphere(CAMERAS, SIZE, RADIUS)
    with torch.no_grad():
        latent = net(latent_views.rgba[None], latent_views.normals[None], None)
    side = latent.volume.shape[-1]
    marked = torch.zeros_like(latent.volume)
    marked[0, :, side - 1, 0, side // 2] = 100.0  # x high, y low, z in the middle
    torch.nn.init.normal_(net.sdf_head.weight)
    points = torch.tensor([[0.47, -0.47, 0.03], [0.03, -0.47, 0.47], [-0.47, 0.47, 0.03]])[None]
    with torch.no_grad():
        plain = net.decode(type(latent)(torch.zeros_like(marked), latent.views), points).sdf
        change = (net.decode(type(latent)(marked, latent.views), points).sdf - plain).abs()[0]
    assert change[0] > 0.01
    assert change[1:].max() == 0


def test_empty_views_give_an_empty_field() -> None:
    zeros = torch.zeros(6, 4, SIZE, SIZE)
    field = NanoReconstructor(fresh()).reconstruct(zeros, zeros[:, :3], None)
    assert (field.sdf(GRID) > 0).all()
