"""InstantMesh's frame against Bozzetto's, with an analytic object, and its classes at a tiny size."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial import ConvexHull
from torch import Tensor

from backend.geometry.cameras import six_view_cameras
from backend.geometry.flexicubes import FlexiCubesWeights, SurfaceCells, flexicubes
from backend.geometry.flexicubes_tables import CORNERS
from backend.models.layers.triplane_transformer import TriplaneTransformerConfig
from backend.models.layers.vision_transformer import VisionTransformerConfig
from backend.models.reconstructor.instantmesh import InstantMesh, InstantMeshConfig
from backend.models.reconstructor.instantmesh_field import (
    CAMERA_DISTANCE,
    InstantMeshReconstructor,
    camera_vectors,
    from_model_frame,
    to_model_frame,
)
from backend.models.reconstructor.instantmesh_surface import (
    closed_at_border,
    crossed_cells,
    grid_ticks,
    sdf_grid,
)

CENTRE, RADII = torch.tensor([0.3, -0.2, 0.1]), torch.tensor([0.6, 0.25, 0.4])
SIZE = 64


def ellipsoid(points: Tensor) -> Tensor:
    """An off-centre object in InstantMesh's frame, different along every axis."""
    return ((points - CENTRE) / RADII).norm(dim=-1) - 1


def ellipsoid_mesh(cells: int = 40) -> tuple[Tensor, Tensor]:
    ticks = grid_ticks(cells, 2.1)
    sdf = ellipsoid(torch.stack(torch.meshgrid(ticks, ticks, ticks, indexing="ij"), dim=-1))
    index = crossed_cells(sdf)
    corners = index[:, None] + torch.tensor(CORNERS)
    ones = torch.ones(len(index))
    weights = FlexiCubesWeights(ones[:, None].expand(-1, 12), ones[:, None].expand(-1, 8), ones)
    return flexicubes(SurfaceCells(index, ticks[corners], sdf[corners.unbind(-1)]), weights, cells)


def seen_by_model_camera(camera: Tensor) -> np.ndarray:
    """The object's mask by casting rays in InstantMesh's frame through a 16-vector camera."""
    to_world = camera[:12].reshape(3, 4)
    fx, fy, cx, cy = camera[12:]
    steps = (torch.arange(SIZE) + 0.5) / SIZE
    v, u = torch.meshgrid(steps, steps, indexing="ij")
    local = torch.stack([(u - cx) / fx, -(v - cy) / fy, -torch.ones_like(u)], dim=-1)
    direction = local @ to_world[:, :3].T / RADII
    origin = (to_world[:, 3] - CENTRE) / RADII
    along = (direction * origin).sum(-1)
    square = (direction**2).sum(-1)
    return (along**2 - square * ((origin**2).sum() - 1) > 0).numpy()


def test_a_mesh_of_the_field_reprojects_onto_its_views() -> None:
    vertices, faces = ellipsoid_mesh()
    triangles = from_model_frame(vertices)[faces]
    assert torch.linalg.det(triangles).sum() > 0, "the change of frame mirrored the mesh"
    cameras = six_view_cameras(CAMERA_DISTANCE)
    ndc, _ = cameras.project(from_model_frame(vertices))
    steps = (np.arange(SIZE) + 0.5) / SIZE * 2 - 1
    pixels = np.stack(np.meshgrid(steps, -steps), axis=-1)
    for view, camera in enumerate(camera_vectors(cameras)):
        planes = ConvexHull(ndc[view].numpy()).equations
        covered = (pixels @ planes[:, :2].T + planes[:, 2] <= 0).all(-1)
        seen = seen_by_model_camera(camera)
        assert (covered & seen).sum() / (covered | seen).sum() > 0.96


def test_the_mesh_lies_on_the_object() -> None:
    vertices, faces = ellipsoid_mesh()
    assert ellipsoid(vertices).abs().max() < 0.03
    edges = torch.cat([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    counts = edges.sort(dim=1).values.unique(dim=0, return_counts=True)[1]
    assert (counts == 2).all(), "not watertight"


def test_frames_are_inverse() -> None:
    points = torch.randn(5, 3)
    torch.testing.assert_close(to_model_frame(from_model_frame(points)), points)
    torch.testing.assert_close(from_model_frame(torch.tensor([1.0, 0, 0])), torch.tensor([0.0, 0, 1]))


@pytest.fixture
def tiny() -> InstantMesh:
    torch.manual_seed(0)
    encoder = VisionTransformerConfig(
        width=16, layers=1, heads=2, hidden=32, position_grid=2, modulation_width=16
    )
    planes = TriplaneTransformerConfig(
        width=16, layers=1, heads=2, context_width=16, plane_tokens=4, plane_channels=4
    )
    return InstantMesh(InstantMeshConfig(encoder, planes, image_size=48, grid_cells=8)).eval()


def test_views_become_a_field(tiny: InstantMesh) -> None:
    rgba = torch.rand(6, 4, 40, 40)
    field = InstantMeshReconstructor(tiny).reconstruct(rgba, torch.zeros(6, 3, 40, 40), None)
    points = torch.rand(7, 3) * 2 - 1
    values = field.sample(points)
    torch.testing.assert_close(values.sdf, field.sdf(points))
    assert values.albedo.shape == (7, 3)
    assert values.roughness is values.metallic is None, "the public weights have no material head"
    hidden = torch.rand(6, 4, 40, 40)
    hidden[:, 3] = 0
    other = InstantMeshReconstructor(tiny).reconstruct(hidden, torch.zeros(6, 3, 40, 40), None)
    white = InstantMeshReconstructor(tiny).reconstruct(torch.ones_like(rgba), torch.zeros(6, 3, 40, 40), None)
    torch.testing.assert_close(other.sdf(points), white.sdf(points))


@torch.no_grad()
def test_the_fields_own_surface_is_closed_even_at_the_grids_border(tiny: InstantMesh) -> None:
    views = torch.rand(6, 4, 40, 40, generator=torch.Generator().manual_seed(0))
    field = InstantMeshReconstructor(tiny).reconstruct(views, torch.zeros(6, 3, 40, 40), None)
    # Most of the grid is inside, its border too.
    tiny.decoder.sdf[-1].bias -= sdf_grid(tiny, field._planes).quantile(0.9)
    heard: list[float] = []
    vertices, faces = field.surface(heard.append)
    assert heard == sorted(heard)
    assert heard[-1] == 1
    edges = torch.cat([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    assert (edges.sort(dim=1).values.unique(dim=0, return_counts=True)[1] % 2 == 0).all()
    assert torch.linalg.det(vertices[faces]).sum() > 0, "inside out"
    assert vertices.abs().max() <= field.half_extent


def test_closing_the_border_changes_nothing_else() -> None:
    sdf = torch.randn(5, 5, 5, generator=torch.Generator().manual_seed(0))
    closed = closed_at_border(sdf, 0.1)
    assert torch.equal(closed[1:-1, 1:-1, 1:-1], sdf[1:-1, 1:-1, 1:-1])
    border = torch.ones(5, 5, 5, dtype=torch.bool)
    border[1:-1, 1:-1, 1:-1] = False
    assert (closed[border] >= 0.1).all()
