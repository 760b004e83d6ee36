"""The protocol: the same view every time, and the truth in that view's frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backend.evaluation.references import (
    AZIMUTHS,
    ELEVATIONS,
    FOVS,
    list_objects,
    load_object,
    novel_cameras,
    reference_view,
    render_reference,
    true_views,
)
from backend.training.assets import load_model
from backend.training.rendering import Renderer
from tests.backend.evaluation.meshes import chair, write_glb


def test_views_depend_on_the_name_alone_and_vary() -> None:
    assert reference_view("a.glb") == reference_view("a.glb")
    views = [reference_view(f"{i}.glb") for i in range(200)]
    for values, (low, high) in (
        ([view.azimuth for view in views], AZIMUTHS),
        ([view.elevation for view in views], ELEVATIONS),
        ([view.fov for view in views], FOVS),
    ):
        assert low <= min(values) < low + 0.1 * (high - low)
        assert high >= max(values) > high - 0.1 * (high - low)


def test_the_reference_camera_sees_the_turned_object(tmp_path: Path) -> None:
    """Looking at the turned model from azimuth 0 is looking at the original from the view's azimuth."""
    path = write_glb(tmp_path / "chair.glb", chair())
    item = load_object(path, 500)
    azimuth = np.radians(item.view.azimuth)
    towards_camera = np.array([np.sin(azimuth), 0, np.cos(azimuth)])
    original = load_model(path).in_sphere().triangles.reshape(-1, 3)
    turned = item.model.triangles.reshape(-1, 3)
    # The turned model's bounding box is another one, hence another scale and centre.
    slope, offset = np.polyfit(original @ towards_camera, turned[:, 2], 1)
    assert 0.8 < slope < 1.2
    np.testing.assert_allclose(turned[:, 2], slope * (original @ towards_camera) + offset, atol=1e-5)


def test_reference_image_and_true_views_fit_the_frame(tmp_path: Path) -> None:
    item = load_object(write_glb(tmp_path / "chair.glb", chair()), 500)
    with Renderer(64, 1) as renderer:
        image = render_reference(item, renderer)
        views, normals = true_views(item, renderer, 2.0)
        np.testing.assert_array_equal(image, render_reference(item, renderer))
    assert image.shape == (64, 64, 4)
    inside = image[..., 3] > 0
    assert 0.05 < inside.mean() < 0.7
    frame = np.concatenate([inside[0], inside[-1], inside[:, 0], inside[:, -1]])
    assert not frame.any()
    assert views.rgba.shape == (6, 4, 64, 64)
    assert normals.depth is not None
    seen = views.rgba[:, 3] > 0
    assert (normals.depth[seen] > 1.4).all()
    assert (normals.depth[seen] < 2.6).all()
    np.testing.assert_allclose(normals.normals.norm(dim=1)[seen], 1, atol=1e-3)


def test_materials_are_drawn_by_name(tmp_path: Path) -> None:
    path = write_glb(tmp_path / "chair.glb", chair())
    first, again = load_object(path, 500), load_object(path, 500)
    np.testing.assert_array_equal(first.model.parts[0].roughness, again.model.parts[0].roughness)


def test_a_limit_spreads_over_the_folder(tmp_path: Path) -> None:
    for i in range(10):
        (tmp_path / f"{i}.glb").touch()
    assert [path.stem for path in list_objects(tmp_path, 5)] == ["0", "2", "4", "6", "8"]
    assert len(list_objects(tmp_path, 99)) == 10
    with pytest.raises(FileNotFoundError, match="--data"):
        list_objects(tmp_path / "none")


def test_novel_cameras_are_24_places() -> None:
    positions = novel_cameras().positions
    assert len(positions.round(decimals=3).unique(dim=0)) == 24
