from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
import trimesh
from torch import Tensor

from backend.errors import Cancelled
from backend.geometry.axes import Z_UP_CAMERA_ON_MINUS_Y, Z_UP_CAMERA_ON_X, ModelAxes
from backend.geometry.density_surface import AXES, TORCHMCUBES_AXES
from backend.geometry.field_queries import gradient_normals
from backend.models.interfaces import SurfacedField
from backend.models.reconstructor.radiance_field import DensitySurface, RadianceField

CENTRE = torch.tensor([0.1, -0.2, 0.3])
RADII = torch.tensor([0.4, 0.3, 0.2])
"""Along the model's x, y and z."""
THRESHOLD = 25.0


class Ellipsoid:
    """A density that grows exponentially inwards; its colour is the position in the model's frame."""

    def radiance(self, planes: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
        outside = ((points - CENTRE) / RADII).norm(dim=-1, keepdim=True) - 1
        return THRESHOLD * torch.exp(-6 * outside), points

    def density_slabs(self, planes: Tensor, resolution: int) -> Iterator[Tensor]:
        ticks = torch.linspace(-1, 1, resolution)
        for x in ticks:
            points = torch.stack(torch.meshgrid(x[None], ticks, ticks, indexing="ij"), dim=-1)
            yield self.radiance(planes, points)[0][0, ..., 0]


def field(axes: ModelAxes, tables: tuple[int, int, int] = AXES) -> RadianceField:
    return RadianceField(
        Ellipsoid(), torch.zeros(3, 1, 2, 2), DensitySurface(THRESHOLD, 65, 1.0, axes, tables)
    )


@pytest.mark.parametrize(
    ("axes", "tables", "centre", "radii"),
    [
        (Z_UP_CAMERA_ON_X, TORCHMCUBES_AXES, [-0.2, 0.3, 0.1], [0.3, 0.2, 0.4]),
        (Z_UP_CAMERA_ON_MINUS_Y, AXES, [0.1, 0.3, 0.2], [0.4, 0.2, 0.3]),
    ],
    ids=["triposr", "openlrm"],
)
def test_surface_distance_and_colour_lie_in_bozzettos_frame(
    axes: ModelAxes, tables: tuple[int, int, int], centre: list[float], radii: list[float]
) -> None:
    made = field(axes, tables)
    assert isinstance(made, SurfacedField)
    vertices, faces = made.surface(lambda fraction: None)
    mesh = trimesh.Trimesh(vertices.numpy(), faces.numpy(), process=False)
    assert mesh.is_watertight
    assert mesh.volume == pytest.approx(4 / 3 * np.pi * np.prod(radii), rel=0.02)
    assert mesh.bounds.mean(axis=0) == pytest.approx(centre, abs=0.01)
    assert (mesh.bounds[1] - mesh.bounds[0]) / 2 == pytest.approx(radii, abs=0.01)
    assert made.sdf(vertices).abs().max() < 0.15, "within the bend of an exponential over a cell"
    inside = made.sdf(torch.tensor([centre]))
    assert inside < 0
    values = made.sample(torch.tensor([centre]))
    assert values.albedo[0].tolist() == pytest.approx(CENTRE.clamp(0, 1).tolist())
    assert values.roughness is values.metallic is None
    outward = gradient_normals(lambda p: made.sdf(torch.from_numpy(p)).numpy(), vertices.numpy(), 0.02)
    assert np.einsum("vi,vi->v", outward, mesh.vertex_normals).min() > 0.95


def test_surroundings_in_reduced_precision_change_nothing() -> None:
    plain = field(Z_UP_CAMERA_ON_X).surface(lambda fraction: None)
    with torch.autocast("cpu", torch.bfloat16):
        reduced = field(Z_UP_CAMERA_ON_X).surface(lambda fraction: None)
    assert torch.equal(plain[0], reduced[0])


def test_progress_grows_to_one_and_can_cancel() -> None:
    heard: list[float] = []
    field(Z_UP_CAMERA_ON_X).surface(heard.append)
    assert heard == sorted(heard)
    assert heard[-1] == 1

    def stop(fraction: float) -> None:
        raise Cancelled("enough")

    with pytest.raises(Cancelled):
        field(Z_UP_CAMERA_ON_X).surface(stop)
