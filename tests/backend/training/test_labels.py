from __future__ import annotations

import igl
import numpy as np
import pytest
import trimesh

from backend.training.assets import Model
from backend.training.labels import SHELL, is_inside, signed_distance, supervise, visible_surface
from backend.training.procedural import random_model
from tests.backend.training.shapes import RED, ball, block, figure, inside_out, part, sheet

POINTS = np.random.default_rng(0).uniform(-0.5, 0.5, (1500, 3)).astype(np.float32)


def box_distance(points: np.ndarray, half: tuple[float, float, float]) -> np.ndarray:
    q = np.abs(points) - np.array(half)
    return np.linalg.norm(q.clip(0), axis=1) + q.max(axis=1).clip(max=0)


def test_a_sphere_is_its_distance_less_the_shell() -> None:
    wanted = np.linalg.norm(POINTS, axis=1) - 0.4 - SHELL
    # The icosphere lies up to a thousandth inside the sphere.
    assert signed_distance(ball(), POINTS) == pytest.approx(wanted, abs=0.002)


def test_a_box_is_its_distance_less_the_shell() -> None:
    model = Model((block((0.6, 0.4, 0.2)),))
    wanted = box_distance(POINTS, (0.3, 0.2, 0.1)) - SHELL
    assert signed_distance(model, POINTS) == pytest.approx(wanted, abs=1e-5)


def test_overlapping_parts_are_one_solid() -> None:
    model = Model((block((0.6, 0.4, 0.2)), block((0.2, 0.2, 0.6))))
    either = np.minimum(box_distance(POINTS, (0.3, 0.2, 0.1)), box_distance(POINTS, (0.1, 0.1, 0.3)))
    assert np.array_equal(signed_distance(model, POINTS) < -SHELL, either < 0)


def test_a_sheet_gets_a_body_of_twice_the_shell() -> None:
    heights = np.linspace(-0.02, 0.02, 41, dtype=np.float32)
    column = np.stack([np.full(41, 0.05), np.full(41, -0.1), heights], axis=1).astype(np.float32)
    assert signed_distance(sheet(), column) == pytest.approx(np.abs(heights) - SHELL, abs=1e-6)
    assert signed_distance(sheet(), column, shell=0.0).min() >= -1e-6


def test_a_missing_floor_does_not_hollow_a_solid() -> None:
    mesh = trimesh.creation.box((0.5, 0.5, 0.5))
    open_box = trimesh.Trimesh(mesh.vertices, mesh.faces[mesh.face_normals[:, 1] > -0.5], process=False)
    model = Model((part(open_box),))
    upper = POINTS[(np.abs(POINTS) < 0.24).all(1) & (POINTS[:, 1] > 0)]
    assert len(upper) > 50
    assert (signed_distance(model, upper) < 0).all()


@pytest.mark.parametrize("model", [ball(), figure()], ids=["ball", "figure"])
def test_faces_stored_inside_out_change_nothing(model: Model) -> None:
    points = POINTS if len(model.parts) == 1 else POINTS[::3]
    assert signed_distance(inside_out(model), points) == pytest.approx(
        signed_distance(model, points), abs=1e-6
    )


def test_points_lie_in_their_three_shares() -> None:
    drawn = supervise(ball(), 8000, 500, np.random.default_rng(0))
    offset = np.linalg.norm(drawn.points, axis=1) - 0.4
    near, uniform = offset[:6000], drawn.points[6000:]
    kinds = np.arange(6000) % 3
    assert np.std(near[kinds < 2]) == pytest.approx(0.015, rel=0.1)
    assert np.std(near[kinds == 2]) == pytest.approx(0.05, rel=0.1)
    assert (np.abs(uniform) <= 0.5).all()
    assert uniform.mean(axis=0) == pytest.approx(0, abs=0.03)
    assert uniform.std(axis=0) == pytest.approx(np.sqrt(1 / 12), abs=0.02)
    assert drawn.sdf == pytest.approx(offset - SHELL, abs=0.002)


def test_surface_samples_lie_on_the_surface_with_its_materials() -> None:
    surface = supervise(figure(), 40, 2000, np.random.default_rng(1)).surface
    assert np.abs(signed_distance(figure(), surface.points, shell=0.0)).max() < 1e-5
    assert np.linalg.norm(surface.normals, axis=1) == pytest.approx(1, abs=1e-5)
    red = (surface.albedo[:, 0] > 0.8) & (surface.albedo[:, 1] < 0.3)
    arm = figure().parts[1].positions.reshape(-1, 3)
    assert red.any()
    assert (surface.points[red] >= arm.min(0) - 1e-5).all()
    assert (surface.points[red] <= arm.max(0) + 1e-5).all()


def test_labels_repeat_by_seed() -> None:
    first, again, other = (supervise(figure(), 100, 50, np.random.default_rng(s)) for s in (3, 3, 4))
    assert np.array_equal(first.points, again.points)
    assert np.array_equal(first.sdf, again.sdf)
    assert np.array_equal(first.surface.albedo, again.surface.albedo)
    assert not np.array_equal(first.points, other.points)


def test_faces_that_are_there_twice_the_other_way_round_do_not_hollow_a_solid() -> None:
    both = Model((*figure().parts, *inside_out(figure()).parts))
    assert signed_distance(both, POINTS) == pytest.approx(signed_distance(figure(), POINTS), abs=1e-6)


def test_a_part_inside_out_does_not_hollow_the_one_around_it() -> None:
    whole = Model((block((0.6, 0.4, 0.4)),))
    mixed = Model((*whole.parts, *inside_out(Model((block((0.5, 0.3, 0.3)),))).parts))
    assert np.array_equal(is_inside(mixed, POINTS), is_inside(whole, POINTS))
    # Nor do the hidden faces pull the distances to themselves.
    assert signed_distance(mixed, POINTS) == pytest.approx(signed_distance(whole, POINTS), abs=1e-6)


def test_a_cup_stays_open() -> None:
    wall = trimesh.creation.annulus(0.3, 0.35, 0.6)
    wall.apply_transform(trimesh.transformations.rotation_matrix(-np.pi / 2, [1, 0, 0]))
    floor = trimesh.creation.cylinder(0.35, 0.05)
    floor.apply_transform(trimesh.transformations.rotation_matrix(-np.pi / 2, [1, 0, 0]))
    floor.apply_translation((0, -0.3, 0))
    cup = Model((part(wall), part(floor)))
    heights = np.linspace(-0.2, 0.4, 13, dtype=np.float32)
    axis = np.stack([0 * heights, heights, 0 * heights], axis=1)
    assert not is_inside(cup, axis).any()
    assert is_inside(cup, np.array([[0.325, 0, 0], [0, -0.3, 0]], dtype=np.float32)).all()


def test_what_nobody_sees_is_left_out() -> None:
    inner, outer = block((0.1, 0.1, 0.1), (0, 0, 0), RED), block((0.6, 0.4, 0.2))
    seen = visible_surface(Model((inner, outer, block((0.1, 0.1, 0.1), (0.3, 0, 0), RED))))
    triangles = np.concatenate([outer.positions, block((0.1, 0.1, 0.1), (0.3, 0, 0)).positions])
    outside = np.abs(triangles).max(axis=(1, 2)) > 0.299
    assert len(seen.triangles) < len(triangles) <= len(triangles[outside]) + 12
    assert {tuple(p.colour[0, 0]) for p in seen.parts} == {tuple(outer.colour[0, 0]), tuple(np.float32(RED))}
    assert np.abs(seen.triangles).max(axis=(1, 2)).min() > 0.05


@pytest.mark.parametrize("family", ["lathes", "booleans", "furniture"])
def test_one_ray_decides_closed_models_as_winding_does(family: str) -> None:
    model = random_model(np.random.default_rng(4), family)
    assert model.closed
    winding = igl.fast_winding_number(
        model.triangles.reshape(-1, 3).astype(np.float64),
        np.arange(len(model.triangles) * 3).reshape(-1, 3),
        POINTS.astype(np.float64),
    )
    assert (is_inside(model, POINTS) == (winding > 0.5)).mean() > 0.999
