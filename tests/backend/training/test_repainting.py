from __future__ import annotations

import numpy as np
import trimesh

from backend.geometry.cameras import orbit_cameras
from backend.training.assets import Model, srgb_to_linear
from backend.training.rendering import Renderer
from backend.training.repainting import in_patterns
from tests.backend.training.shapes import RED, figure, part


def test_shape_and_matter_stay(renderer: Renderer) -> None:
    model = figure()
    patterned = in_patterns(model, np.random.default_rng(0))
    for before, after in zip(model.parts, patterned.parts, strict=True):
        for name in ("positions", "normals", "colour", "roughness", "metallic"):
            assert np.array_equal(getattr(before, name), getattr(after, name)), name
        assert after.texture is not None
    camera = orbit_cameras([30.0], [20.0], 3.0, 30.0)
    plain, shown = renderer.render(model, camera), renderer.render(patterned, camera)
    assert np.array_equal(plain.alpha, shown.alpha)
    assert np.allclose(plain.depth, shown.depth)
    # Patterns only darken, and they do show.
    assert (shown.albedo <= plain.albedo + 0.02).all()
    assert (plain.albedo - shown.albedo).max() > 0.05


def test_a_palette_gives_each_face_its_colour() -> None:
    """The texture's left half is red, its right half blue; the faces' own factor counts as well."""
    mesh = trimesh.creation.box((1, 1, 1))
    texture = np.zeros((4, 4, 3), np.uint8)
    texture[:, :2, 0], texture[:, 2:, 2] = 200, 100
    mesh.unmerge_vertices()
    upper = mesh.triangles_center[:, 1] > 0
    uvs = np.where(upper.repeat(3)[:, None], 0.25, 0.75) * np.ones((len(mesh.vertices), 2))
    painted = part(mesh, (0.5, 0.5, 0.5), uvs=uvs, texture=texture)
    patterned = in_patterns(Model((painted,)), np.random.default_rng(1)).parts[0]
    red, blue = (srgb_to_linear(np.array(colour)) * 0.5 for colour in ((200 / 255, 0, 0), (0, 0, 100 / 255)))
    expected = np.where(upper[:, None, None], red, blue)
    assert np.allclose(patterned.colour, expected, atol=1e-6)


def test_patterns_are_as_wide_on_large_models_as_on_small_ones() -> None:
    """A pattern's width is a share of the model."""
    small = Model((part(trimesh.creation.box((1, 1, 1)), RED),))
    large = small.transformed(np.eye(3) * 5, np.zeros(3))
    a, b = (in_patterns(model, np.random.default_rng(2)).parts[0] for model in (small, large))
    assert np.allclose(a.uvs, b.uvs, atol=1e-5)
    assert np.array_equal(a.texture, b.texture)
