from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh

from backend.geometry.cameras import Cameras, orbit_cameras, six_view_cameras
from backend.training.assets import Model, linear_to_srgb
from backend.training.environments import HEIGHT, WIDTH, Environment, directions, prefilter
from backend.training.rendering import STUDIO, Lighting, Renderer, random_lighting
from tests.backend.models.painted_sphere import SphereViews, view_sphere
from tests.backend.training.shapes import BLUE, RED, ball, block, figure, part

CAMERAS = six_view_cameras(2.0)
SIZE = 64


def truth() -> SphereViews:
    return view_sphere(CAMERAS, SIZE)


def inside(views: SphereViews) -> np.ndarray:
    """Pixels wholly on the sphere."""
    return views.rgba[:, 3].numpy() == 1


def test_a_spheres_mask_has_its_true_area(renderer: Renderer) -> None:
    alpha = renderer.render(ball(), CAMERAS).alpha
    true = truth().rgba[:, 3].numpy()
    assert alpha.sum(axis=(1, 2)) == pytest.approx(true.sum(axis=(1, 2)), rel=0.01)
    assert np.abs(alpha - true).mean() < 0.01
    assert set(np.unique(alpha)) <= {0, 0.25, 0.5, 0.75, 1}


def test_normals_are_the_worlds(renderer: Renderer) -> None:
    views = truth()
    normal = renderer.render(ball(), CAMERAS).normal
    cosine = (normal * views.normals.permute(0, 2, 3, 1).numpy()).sum(-1)
    assert cosine[inside(views)].min() > 0.995


def test_depth_lies_along_the_viewing_axis(renderer: Renderer) -> None:
    views = truth()
    near = renderer.render(ball(), CAMERAS).depth
    far = renderer.render(ball(), CAMERAS, farthest=True).depth
    back = (views.back - CAMERAS.positions[:, :, None, None]).permute(0, 2, 3, 1)
    axis = -CAMERAS.camera_to_world[:, None, None, :3, 2]
    # The icosphere lies up to a thousandth inside the sphere; at the rim depth runs away.
    core = inside(views) & ((views.back - views.front).norm(dim=1).numpy() > 0.2)
    assert np.abs(near - views.depth.numpy())[core].max() < 0.01
    assert np.abs(far - (back * axis).sum(-1).numpy())[core].max() < 0.01


def test_nothing_is_drawn_beside_the_model(renderer: Renderer) -> None:
    views = renderer.render(figure(), CAMERAS)
    empty = views.alpha == 0
    assert empty.any()
    for channel in (views.rgb, views.albedo, views.normal, views.depth, views.roughness, views.metallic):
        assert not channel[empty].any()


def test_albedo_is_the_surface_s_own_whatever_the_light(renderer: Renderer) -> None:
    dusk = Lighting(
        (0.3, 0.2, 0.1), (0.1, 0.1, 0.2), ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0)), ((0.5,) * 3, (0.2,) * 3)
    )
    day, night = (renderer.render(ball(colour=RED), CAMERAS, light) for light in (STUDIO, dusk))
    whole = day.alpha == 1
    assert np.abs(day.albedo[whole] - linear_to_srgb(np.array(RED))).max() < 1 / 255
    assert np.array_equal(day.albedo, night.albedo)
    assert np.abs(day.rgb - night.rgb)[whole].mean() > 0.1


def test_light_comes_from_where_it_stands(renderer: Renderer) -> None:
    """A lamp on +X lights the right of what the front camera sees."""
    lamp = Lighting((0.05,) * 3, (0.05,) * 3, ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0)), ((1.0,) * 3, (0.0,) * 3))
    image = renderer.render(ball(), orbit_cameras([0.0], [0.0], 2.0), lamp).rgb[0].mean(-1)
    assert image[24:40, 40:52].mean() > 3 * image[24:40, 12:24].mean()


def test_materials_reach_their_channels(renderer: Renderer) -> None:
    mesh = trimesh.creation.icosphere(3, 0.4)
    views = renderer.render(Model((part(mesh, roughness=0.3, metallic=0.9),)), CAMERAS)
    # Fractions of coverage do not thin a material.
    covered = views.alpha > 0
    assert views.roughness[covered] == pytest.approx(0.3, abs=1 / 255)
    assert views.metallic[covered] == pytest.approx(0.9, abs=1 / 255)


def test_a_texture_stands_upright_and_is_not_mirrored(renderer: Renderer) -> None:
    """A plate whose texture has red at the upper left and blue at the upper right, seen from both sides."""
    corners = np.array([[-0.4, -0.4, 0], [0.4, -0.4, 0], [0.4, 0.4, 0], [-0.4, 0.4, 0]])
    uvs = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])  # v up
    texture = np.full((8, 8, 3), 128, np.uint8)
    texture[:4, :4], texture[:4, 4:] = (250, 10, 10), (10, 10, 250)
    plate = part(
        trimesh.Trimesh(corners, [[0, 1, 2], [0, 2, 3]], process=False), (1, 1, 1), uvs=uvs, texture=texture
    )
    front, back = renderer.render(Model((plate,)), orbit_cameras([0.0, 180.0], [0.0, 0.0], 2.0)).albedo
    left, right, below = np.s_[14:28, 14:28], np.s_[14:28, 36:50], np.s_[36:50, 14:50]
    for image, red, blue in ((front, left, right), (back, right, left)):
        assert image[red].mean(axis=(0, 1)) == pytest.approx([250 / 255, 10 / 255, 10 / 255], abs=0.02)
        assert image[blue].mean(axis=(0, 1)) == pytest.approx([10 / 255, 10 / 255, 250 / 255], abs=0.02)
        assert image[below] == pytest.approx(128 / 255, abs=0.01)


def test_both_sides_of_a_sheet_are_lit_towards_the_camera(renderer: Renderer) -> None:
    corners = np.array([[-0.4, -0.4, 0], [0.4, -0.4, 0], [0.4, 0.4, 0], [-0.4, 0.4, 0]])
    plate = Model((part(trimesh.Trimesh(corners, [[0, 1, 2], [0, 2, 3]], process=False)),))
    normal = renderer.render(plate, orbit_cameras([0.0, 180.0], [0.0, 0.0], 2.0)).normal[:, 32, 32]
    assert normal == pytest.approx(np.array([[0, 0, 1], [0, 0, -1]]), abs=1e-5)


def test_an_off_centre_camera_shifts_the_picture(renderer: Renderer) -> None:
    straight = orbit_cameras([20.0], [10.0], 2.0)
    shifted = Cameras(straight.camera_to_world, straight.focal, torch.tensor([[0.25, 0.125]]))
    plain, moved = (renderer.render(figure(), camera).alpha[0] for camera in (straight, shifted))
    # 0.25 of half an image is 8 pixels to the right, 0.125 is 4 pixels up.
    assert np.array_equal(np.roll(plain, (-4, 8), axis=(0, 1)), moved)


def test_the_nearer_part_hides_the_farther_unless_the_hindmost_is_asked(renderer: Renderer) -> None:
    model = Model((block((0.4, 0.4, 0.1), (0, 0, 0.3), RED), block((0.4, 0.4, 0.1), (0, 0, -0.3), BLUE)))
    camera = orbit_cameras([0.0], [0.0], 2.0)
    near, far = (renderer.render(model, camera, farthest=flag).albedo[0, 32, 32] for flag in (False, True))
    assert near == pytest.approx(linear_to_srgb(np.array(RED)), abs=1 / 255)
    assert far == pytest.approx(linear_to_srgb(np.array(BLUE)), abs=1 / 255)


def test_two_renderers_live_side_by_side(renderer: Renderer) -> None:
    before = renderer.render(figure(), CAMERAS)
    with Renderer(16, supersampling=1) as other:
        assert other.render(figure(), CAMERAS).rgb.shape == (6, 16, 16, 3)
        during = renderer.render(figure(), CAMERAS)
    after = renderer.render(figure(), CAMERAS)
    for again in (during, after):
        assert np.array_equal(before.rgb, again.rgb)


def test_random_light_is_bounded_and_from_distinct_directions() -> None:
    rng = np.random.default_rng(0)
    drawn = [random_lighting(rng) for _ in range(50)]
    for light in drawn:
        assert np.linalg.norm(light.directions, axis=1) == pytest.approx(1)
        assert light.directions[0][1] > 0.1, "the key light stands above"
        assert np.min([light.sky, light.ground, *light.colours]) >= 0
        assert np.max([light.sky, light.ground, *light.colours]) < 1.5
    assert len({light.sky for light in drawn}) == 50


def plain_environment(level: float) -> Environment:
    return Environment(np.full((6, HEIGHT, WIDTH, 3), level, np.float32))


def test_matt_white_in_even_surroundings_is_their_radiance(renderer: Renderer) -> None:
    white = Model((part(trimesh.creation.icosphere(3, 0.4), (1, 1, 1), smooth=True, roughness=1.0),))
    views = renderer.render(white, CAMERAS, Lighting(environment=plain_environment(0.5)))
    middle = views.rgb[:, 28:36, 28:36]
    # Diffuse gives .5; the dielectric's reflection comes on top of it.
    assert linear_to_srgb(np.array(0.5)) - 0.01 < middle.min()
    assert middle.max() < linear_to_srgb(np.array(0.56))


def test_surroundings_light_the_side_that_faces_them(renderer: Renderer) -> None:
    """Bright on +X, dark elsewhere: the right of the front view is lit, and so is a mirror there."""
    panorama = np.full((HEIGHT, WIDTH, 3), 0.02)
    panorama[(directions() @ np.array([1.0, 0, 0])) > 0.7] = 3
    light = Lighting(environment=prefilter(panorama))
    camera = orbit_cameras([0.0], [0.0], 2.0)
    image = renderer.render(ball(), camera, light).rgb[0].mean(-1)
    assert image[24:40, 44:52].mean() > 3 * image[24:40, 12:20].mean()
    chrome = Model(
        (part(trimesh.creation.icosphere(4, 0.4), (1, 1, 1), smooth=True, metallic=1.0, roughness=0.1),)
    )
    mirror = renderer.render(chrome, camera, light).rgb[0].mean(-1)
    # A normal 45 degrees to the right reflects the camera's ray to +X.
    assert mirror[32, 32 + 15] > 0.8
    assert mirror[32, 32 - 15] < 0.4


def test_a_shadow_falls_where_the_lamp_is_hidden(renderer: Renderer) -> None:
    lamp = Lighting((0.1,) * 3, (0.1,) * 3, ((0.0, 1.0, 0.0), (0.0, 1.0, 0.0)), ((0.8,) * 3, (0.0,) * 3))
    table = Model((block((0.9, 0.05, 0.9), (0, -0.3, 0)), block((0.4, 0.05, 0.4), (0, 0.2, 0))))
    above = orbit_cameras([0.0], [30.0], 3.0)
    open_sky = renderer.render(table, above, lamp).rgb[0]
    shadowed = renderer.render(table, above, replace(lamp, shadows=True)).rgb[0]
    fall = (open_sky - shadowed).mean(-1)
    assert (np.abs(fall) < 0.02).mean() > 0.9, "what the lamp sees stays lit"
    ndc, _ = above.project(torch.tensor([[0.0, -0.275, 0.15]]))
    row, column = round((1 - float(ndc[0, 0, 1])) * 32 - 0.5), round((1 + float(ndc[0, 0, 0])) * 32 - 0.5)
    assert fall[row, column] > 0.2


def test_the_ground_takes_light_from_below(renderer: Renderer) -> None:
    below = orbit_cameras([0.0], [-20.0], 2.0)
    plain, dark = (
        renderer.render(ball(), below, replace(STUDIO, contact=value)).rgb[0].mean(-1) for value in (0.0, 0.8)
    )
    assert dark[44:50, 30:34].mean() < 0.8 * plain[44:50, 30:34].mean()
    assert dark[12:18, 30:34] == pytest.approx(plain[12:18, 30:34], abs=0.05)


def test_a_texture_of_roughness_and_metallic_reaches_its_channels(renderer: Renderer) -> None:
    corners = np.array([[-0.4, -0.4, 0], [0.4, -0.4, 0], [0.4, 0.4, 0], [-0.4, 0.4, 0]])
    uvs = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    plate = part(trimesh.Trimesh(corners, [[0, 1, 2], [0, 2, 3]], process=False), (1, 1, 1), uvs=uvs)
    surface = np.zeros((8, 8, 2), np.uint8)
    surface[:4] = (51, 255)  # the upper half
    surface[4:] = (204, 0)
    views = renderer.render(
        Model((replace(plate, surface_texture=surface),)), orbit_cameras([0.0], [0.0], 2.0)
    )
    upper, lower = np.s_[0, 14:28, 20:44], np.s_[0, 36:50, 20:44]
    assert views.roughness[upper].mean() == pytest.approx(0.2, abs=0.01)
    assert views.metallic[upper].mean() == pytest.approx(1, abs=0.01)
    assert views.roughness[lower].mean() == pytest.approx(0.8, abs=0.01)
    assert views.metallic[lower].mean() == pytest.approx(0, abs=0.01)
