from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from backend.training.assets import (
    Model,
    linear_to_srgb,
    load_model,
    rotation_about_y,
    srgb_to_linear,
)
from tests.backend.training.shapes import BLUE, RED, ball, block, figure, part

SQUARE = np.array([[-0.5, -0.5, 0], [0.5, -0.5, 0], [0.5, 0.5, 0], [-0.5, 0.5, 0]])
CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])


def outward_share(model: Model) -> float:
    """Share of a convex model's triangles whose winding looks away from its middle."""
    corners = model.triangles
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return float(((normals * (corners.mean(1) - corners.mean((0, 1)))).sum(-1) > 0).mean())


def test_turning_takes_the_front_towards_x() -> None:
    assert rotation_about_y(90) @ np.array([0, 0, 1]) == pytest.approx(np.array([1, 0, 0]), abs=1e-12)
    nose = Model((block((0.1, 0.1, 0.1), (0, 0, 0.4)),)).turned(90)
    assert nose.triangles.mean((0, 1)) == pytest.approx([0.4, 0, 0], abs=1e-6)


def test_frames() -> None:
    model = figure().transformed(np.eye(3) * 3, np.array([1.0, 2.0, 3.0]))
    corners = model.in_sphere().triangles.reshape(-1, 3)
    assert np.linalg.norm(corners, axis=1).max() == pytest.approx(0.5, abs=1e-6)
    assert corners.min(0) + corners.max(0) == pytest.approx(0, abs=1e-6)
    low, high = model.in_unit_box().bounds()
    assert (high - low).max() == pytest.approx(1, abs=1e-6)
    assert low + high == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("mirror", [1.0, -1.0])
def test_a_linear_map_keeps_normals_and_winding_outward(mirror: float) -> None:
    linear = rotation_about_y(30) @ np.diag([0.5 * mirror, 1.0, 2.0])
    model = ball().transformed(linear, np.array([0.1, 0.2, 0.3]))
    assert outward_share(model) == 1
    positions, normals = model.parts[0].positions - np.float32([0.1, 0.2, 0.3]), model.parts[0].normals
    # The gradient of |inverse(x)|^2 is normal to the ellipsoid.
    inverse = np.linalg.inv(linear)
    gradient = positions @ (inverse.T @ inverse)
    gradient /= np.linalg.norm(gradient, axis=-1, keepdims=True)
    assert (normals * gradient).sum(-1).min() > 0.999


def test_surface_samples_share_the_area_and_repeat() -> None:
    big, small = block((0.8, 0.8, 0.8), colour=RED), block((0.2, 0.2, 0.2), (0, 0, 1), BLUE)
    samples = Model((big, small)).sample_surface(3400, np.random.default_rng(0))
    assert (samples.albedo[:, 2] > 0.5).sum() == pytest.approx(3400 / 17, abs=2), "areas are 16 to 1"
    on_big = samples.points[samples.albedo[:, 0] > 0.5]
    assert np.abs(on_big).max(1) == pytest.approx(0.4, abs=1e-6)
    assert (samples.normals[samples.albedo[:, 0] > 0.5] * on_big).sum(1) == pytest.approx(0.4, abs=1e-6)
    again = Model((big, small)).sample_surface(3400, np.random.default_rng(0))
    assert np.array_equal(samples.points, again.points)


def test_surface_samples_read_the_texture_the_right_way_up() -> None:
    texture = np.zeros((4, 4, 3), np.uint8)
    texture[:2, :2] = (200, 100, 50)  # the rows from the top: upper left
    plate = part(
        trimesh.Trimesh(SQUARE, [[0, 1, 2], [0, 2, 3]], process=False),
        (1, 1, 1),
        uvs=CORNERS,
        texture=texture,
    )
    samples = Model((plate,)).sample_surface(400, np.random.default_rng(0))
    upper_left = (samples.points[:, 0] < 0) & (samples.points[:, 1] > 0)
    assert samples.albedo[upper_left] == pytest.approx(
        np.broadcast_to([200, 100, 50], (upper_left.sum(), 3)) / 255
    )
    assert samples.albedo[~upper_left] == pytest.approx(0)


def test_surface_samples_read_roughness_and_metallic_from_their_texture() -> None:
    surface = np.zeros((4, 4, 2), np.uint8)
    surface[:2], surface[2:] = (51, 255), (204, 0)
    plate = part(trimesh.Trimesh(SQUARE, [[0, 1, 2], [0, 2, 3]], process=False), (1, 1, 1), uvs=CORNERS)
    samples = Model((replace(plate, surface_texture=surface),)).sample_surface(400, np.random.default_rng(0))
    upper = samples.points[:, 1] > 0
    assert samples.roughness == pytest.approx(np.where(upper, 0.2, 0.8))
    assert samples.metallic == pytest.approx(np.where(upper, 1.0, 0.0))


def test_random_materials_are_one_a_palette_colour_and_repeat() -> None:
    texture = np.zeros((2, 2, 3), np.uint8)
    texture[0, 0], texture[0, 1] = (250, 0, 0), (0, 0, 250)
    mesh = trimesh.creation.box((1, 1, 1))
    left = np.tile([0.25, 0.75], (len(mesh.vertices), 1))
    palette = part(mesh, (1, 1, 1), uvs=left, texture=texture)
    palette.uvs[6:] = [0.75, 0.75]
    model = Model((palette, block((1, 1, 1))))
    drawn = model.with_random_materials(np.random.default_rng(0), recolour=0.0)
    first, second = drawn.parts
    assert len(np.unique(first.roughness[:6])) == len(np.unique(first.roughness[6:])) == 1
    assert len(np.unique(first.roughness)) == 2
    assert len(np.unique(second.roughness)) == 1
    assert np.array_equal(first.texture, texture)  # type: ignore[arg-type]
    values = [model.with_random_materials(np.random.default_rng(s), 0.0).parts[1] for s in range(200)]
    rough, metal = np.array([p.roughness[0] for p in values]), np.array([p.metallic[0] for p in values])
    assert 0.15 <= rough.min() < 0.2
    assert 0.9 < rough.max() <= 0.95
    assert 0.1 < (metal > 0).mean() < 0.3
    assert metal[metal > 0].min() >= 0.8
    again = model.with_random_materials(np.random.default_rng(0), recolour=0.0)
    assert np.array_equal(again.parts[0].roughness, first.roughness)


def test_recolouring_moves_textures_and_factors_alike() -> None:
    texture = np.full((2, 2, 3), linear_to_srgb(np.array(RED)) * 255).round().astype(np.uint8)
    mesh = trimesh.creation.box((1, 1, 1))
    uvs = np.full((len(mesh.vertices), 2), 0.5)
    model = Model((part(mesh, (1, 1, 1), uvs=uvs, texture=texture), part(mesh, RED)))
    changed = model.with_random_materials(np.random.default_rng(2), recolour=1.0)
    colours = [Model((p,)).sample_surface(1, np.random.default_rng(0)).albedo for p in changed.parts]
    assert colours[0] == pytest.approx(colours[1], abs=3 / 255)
    assert np.abs(colours[1] - linear_to_srgb(np.array(RED))).max() > 0.05


def test_srgb_round_trip_and_known_values() -> None:
    ramp = np.linspace(0, 1, 300)
    assert linear_to_srgb(srgb_to_linear(ramp)) == pytest.approx(ramp, abs=1e-6)
    assert srgb_to_linear(np.array([0.04045, 0.5])) == pytest.approx([0.0031308, 0.2140411], abs=1e-6)


def test_a_glb_gives_its_transforms_colours_and_textures(tmp_path: Path) -> None:
    image = Image.new("RGB", (4, 4), (10, 20, 30))
    image.putpixel((0, 0), (200, 0, 0))  # the upper left texel
    textured = trimesh.Trimesh(SQUARE, [[0, 1, 2], [0, 2, 3]], process=False)
    textured.visual = trimesh.visual.TextureVisuals(
        uv=CORNERS, material=trimesh.visual.material.PBRMaterial(baseColorTexture=image)
    )
    plain = trimesh.creation.box((1, 1, 1))
    plain.visual = trimesh.visual.TextureVisuals(
        material=trimesh.visual.material.PBRMaterial(baseColorFactor=[51, 102, 204, 255])
    )
    scene = trimesh.Scene()
    scene.add_geometry(textured, geom_name="plate")
    mirrored = np.diag([-2.0, 1.0, 1.0, 1.0])
    mirrored[:3, 3] = (5, 0, 0)
    scene.add_geometry(plain, geom_name="box", transform=mirrored)
    path = tmp_path / "two.glb"
    path.write_bytes(scene.export(file_type="glb"))

    parts = {p.texture is None: p for p in load_model(path).parts}
    plate, box = parts[False], parts[True]
    samples = Model((plate,)).sample_surface(300, np.random.default_rng(0))
    corner = (samples.points[:, 0] < -0.25) & (samples.points[:, 1] > 0.25)
    assert samples.albedo[corner] == pytest.approx(np.broadcast_to([200 / 255, 0, 0], (corner.sum(), 3)))
    assert samples.albedo[~corner].max() < 0.2
    low, high = Model((box,)).bounds()
    assert np.stack([low, high]) == pytest.approx(np.array([[4, -0.5, -0.5], [6, 0.5, 0.5]]))
    assert box.colour == pytest.approx(np.broadcast_to([0.2, 0.4, 0.8], box.colour.shape), abs=1e-3)
    assert outward_share(Model((box,))) == 1, "a mirroring node must not turn its mesh inside out"
    faces = np.cross(box.positions[:, 1] - box.positions[:, 0], box.positions[:, 2] - box.positions[:, 0])
    assert ((faces[:, None] * box.normals).sum(-1) > 0).all()


def test_a_file_without_triangles_is_refused(tmp_path: Path) -> None:
    scene = trimesh.Scene([trimesh.PointCloud([[0, 0, 0], [1, 1, 1]])])
    path = tmp_path / "points.glb"
    path.write_bytes(scene.export(file_type="glb"))
    with pytest.raises(ValueError, match=r"points\.glb: no triangles"):
        load_model(path)


def test_shades_that_run_into_each_other_are_one_part() -> None:
    """A gradient from dark to light red beside a blue: by quantised colours many parts, by shades two."""
    texture = np.zeros((1, 64, 3), np.uint8)
    texture[0, :48, 0] = np.linspace(90, 230, 48)
    texture[0, 48:] = (20, 20, 200)
    faces = 64
    corners = np.stack([np.zeros((faces, 3)), np.ones((faces, 3)), np.eye(3)[np.arange(faces) % 3]], axis=1)
    base = part(trimesh.Trimesh(corners.reshape(-1, 3), np.arange(faces * 3).reshape(-1, 3), process=False))
    across = np.broadcast_to(((np.arange(faces) + 0.5) / faces)[:, None, None], (faces, 3, 2))
    painted = Model((replace(base, uvs=across.astype(np.float32), texture=texture),))
    rng = np.random.default_rng
    shades = painted.with_random_materials(rng(0), 0.0, shades_together=True).parts[0].roughness
    assert len(np.unique(shades[:48])) == len(np.unique(shades[48:])) == 1
    assert shades[0] != shades[-1]
    assert len(np.unique(painted.with_random_materials(rng(0), 0.0).parts[0].roughness)) > 3
