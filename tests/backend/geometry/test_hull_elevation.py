"""The reference's elevation from silhouettes, on objects whose silhouettes are known."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from backend.errors import EmptySurfaceError
from backend.geometry.cameras import Cameras, orbit_cameras, six_view_cameras
from backend.geometry.hull_elevation import USUAL, estimate_elevation

VIEWS = six_view_cameras(4.0)
CENTRES = torch.tensor([[0.0, -0.35, 0.0], [0.0, 0.3, 0.0], [0.35, 0.2, 0.1], [-0.1, -0.2, 0.45]])
RADII = torch.tensor([0.4, 0.25, 0.2, 0.15])


def masks(cameras: Cameras, size: int, centres: Tensor = CENTRES, radii: Tensor = RADII) -> Tensor:
    """Silhouettes of a few balls."""
    origins, directions = cameras.rays(size)
    towards = centres - origins[..., None, :]
    along = (towards * directions[..., None, :]).sum(-1)
    beside = towards.square().sum(-1) - along.square()
    return (beside < radii.square()).any(-1).float()


@pytest.mark.parametrize("elevation", [-10.0, 5.0, 20.0, 40.0])
def test_the_elevation_is_found(elevation: float) -> None:
    # Another distance and field of view than the views', as a photograph has.
    reference = masks(orbit_cameras([0.0], [elevation], 6.0, 22.0), 160)[0]
    found = estimate_elevation(reference, masks(VIEWS, 96), VIEWS)
    assert found == pytest.approx(elevation, abs=12 if elevation < 0 else 7)


def test_a_ball_is_taken_from_where_pictures_are_usually_taken() -> None:
    centre, radius = torch.zeros(1, 3), torch.tensor([0.5])
    reference = masks(orbit_cameras([0.0], [45.0], 6.0), 96, centre, radius)[0]
    found = estimate_elevation(reference, masks(VIEWS, 96, centre, radius), VIEWS)
    assert found == pytest.approx(USUAL, abs=15)


def test_views_without_a_common_object_say_so() -> None:
    with pytest.raises(EmptySurfaceError, match="another seed"):
        estimate_elevation(torch.ones(8, 8), torch.zeros(6, 32, 32), VIEWS)
