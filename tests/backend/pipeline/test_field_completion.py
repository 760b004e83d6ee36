from __future__ import annotations

import torch

from backend.models.interfaces import SeenSurfaces
from backend.models.presets import SurfaceConfig
from backend.pipeline.field_completion import COLUMN_RADIUS, complete_field
from backend.pipeline.mesh import extract_mesh
from tests.backend.geometry.analytic_fields import SilentProgress, sphere

FIELD = sphere()
RADIUS = float(-FIELD.sdf(torch.zeros(1, 3)))


def pixels(x: torch.Tensor, y: torch.Tensor, half_depth: float) -> SeenSurfaces:
    """An upright plate in the plane z = 0, seen from the front."""
    flat = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1).reshape(-1, 2)
    depth = torch.full((len(flat), 1), half_depth)
    return SeenSurfaces(torch.cat([flat, depth], 1), torch.cat([flat, -depth], 1))


POLE = pixels(torch.tensor([0.0]), torch.arange(RADIUS - 0.02, RADIUS + 0.1, 0.02), 0.01)


def test_columns_that_reach_the_solid_add_nothing() -> None:
    inside = torch.linspace(-RADIUS / 2, RADIUS / 2, 9)
    assert complete_field(FIELD, pixels(inside, inside, 0.05)) is FIELD


def test_a_column_that_only_ends_off_the_surface_adds_nothing() -> None:
    crossing = SeenSurfaces(torch.tensor([[0.0, 0.0, RADIUS + 0.1]]), torch.tensor([[0.0, 0.0, 0.0]]))
    assert complete_field(FIELD, crossing) is FIELD


def test_a_lost_pole_is_added_to_the_surface() -> None:
    completed = complete_field(FIELD, POLE)
    top = float(POLE.front[:, 1].max())
    plain, taller = (
        extract_mesh(f, 4000, SilentProgress(), SurfaceConfig(64, 0)) for f in (FIELD, completed)
    )
    height = [
        mesh.model_scale * (mesh.vertices[:, 1].max() - mesh.vertices[:, 1].min()) for mesh in (plain, taller)
    ]
    assert abs(height[1] - height[0] - (top - RADIUS)) < 0.03
    assert taller.components == 1


def test_elsewhere_the_field_is_the_same_and_its_samples_agree() -> None:
    completed = complete_field(FIELD, POLE)
    points = torch.rand(500, 3, generator=torch.Generator().manual_seed(0)) - 0.5
    points = torch.cat([points, POLE.front[-1:]])
    was, now = FIELD.sdf(points), completed.sdf(points)
    assert now[-1] < 0 < was[-1]
    below = points[:, 1] < 0
    assert torch.equal(now[below], was[below])
    samples = completed.sample(points)
    assert torch.equal(samples.sdf, now)
    assert torch.equal(samples.albedo, FIELD.sample(points).albedo)
    assert abs(float(now[-1]) + COLUMN_RADIUS) < 2e-3
