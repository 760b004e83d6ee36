"""The nearest training shape, whichever way it was turned and scaled."""

from __future__ import annotations

import numpy as np
import pytest

from backend.evaluation.metrics import score
from backend.evaluation.oracle import CELLS, REACH, ShapeGallery, build_shape_gallery, distance_field
from backend.evaluation.shape import shape_in_unit_box
from backend.training.assets import rotation_about_y
from tests.backend.evaluation.meshes import ball, box, chair, write_glb

POINTS = 4_000


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> ShapeGallery:
    folder = tmp_path_factory.mktemp("train")
    shapes = {"ball": ball(), "chair": chair(), "slab": box(1, 0.2, 0.6), "rod": box(0.1, 1, 0.1)}
    paths = tuple(write_glb(folder / f"{name}.glb", shape) for name, shape in shapes.items())
    first = build_shape_gallery(paths, "test", folder / "cache")
    again = build_shape_gallery(paths, "test", folder / "cache")
    np.testing.assert_array_equal(first.distances, again.distances)
    return first


@pytest.mark.parametrize("yaw", [0.0, 75.0, 217.0])
def test_a_turned_and_scaled_asset_is_found_as_it_stands(gallery: ShapeGallery, yaw: float) -> None:
    turned = (chair() @ rotation_about_y(yaw).T * 3).astype(np.float32)
    truth = shape_in_unit_box(turned, POINTS)
    found = shape_in_unit_box(gallery.nearest(truth), POINTS)
    assert len(found.triangles) == len(chair())
    assert score(found, truth).f05 > 0.8  # between two of the yaws tried, at worst 7.5 degrees from one


def test_what_is_in_no_training_set_gets_the_likest(gallery: ShapeGallery) -> None:
    truth = shape_in_unit_box(box(1, 0.25, 0.5), POINTS)
    assert np.ptp(gallery.nearest(truth).reshape(-1, 3), axis=0) == pytest.approx([1, 0.2, 0.6], abs=0.01)


def test_distances_grow_from_the_surface() -> None:
    field = distance_field(np.zeros((1, 3), np.float32)).reshape((CELLS,) * 3) / 255
    middle, corner = field[CELLS // 2, CELLS // 2, CELLS // 2], field[0, 0, 0]
    assert middle == 0
    assert corner == pytest.approx(REACH * 3**0.5, abs=0.05)
