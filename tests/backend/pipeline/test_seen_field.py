from __future__ import annotations

from dataclasses import replace

import torch

from backend.models.presets import SurfaceConfig
from backend.pipeline.mesh import extract_mesh
from backend.pipeline.seen_field import shaped_as_seen
from tests.backend.geometry.analytic_fields import SilentProgress, sphere
from tests.backend.pipeline.seen_plate import seen_plate

FIELD = sphere()
SIDE, HALF_DEPTH = 0.5, 0.1


def test_the_shape_is_what_is_seen() -> None:
    mesh = extract_mesh(
        shaped_as_seen(FIELD, seen_plate(SIDE, HALF_DEPTH)), 4000, SilentProgress(), SurfaceConfig(64, 0)
    )
    low, high = mesh.vertices.min(0), mesh.vertices.max(0)
    size = torch.from_numpy((high - low) * mesh.model_scale)
    torch.testing.assert_close(size, torch.tensor([SIDE, SIDE, 2 * HALF_DEPTH]), atol=0.03, rtol=0)
    assert mesh.watertight


def test_the_materials_are_the_fields() -> None:
    seen = shaped_as_seen(FIELD, seen_plate(SIDE, HALF_DEPTH))
    points = torch.rand(500, 3, generator=torch.Generator().manual_seed(0)) - 0.5
    found, materials = seen.sample(points), FIELD.sample(points)
    assert torch.equal(found.albedo, materials.albedo)
    assert torch.equal(found.roughness, materials.roughness)
    assert torch.equal(found.metallic, materials.metallic)
    assert torch.equal(found.sdf, seen.sdf(points))
    assert not torch.equal(found.sdf, materials.sdf)
    assert seen.half_extent == FIELD.half_extent


def test_nothing_seen_leaves_the_field_as_it_is() -> None:
    plate = seen_plate(SIDE, HALF_DEPTH)
    nothing = replace(plate, shown=torch.zeros_like(plate.shown))
    assert shaped_as_seen(FIELD, nothing) is FIELD
