"""The draft of the views, and the coordinate net that it is drawn from."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from backend.geometry.cameras import orbit_cameras, six_view_cameras
from backend.models.multiview.coordinate_net import CoordinateNet
from backend.models.multiview.draft import draft_views
from backend.models.presets import TINY
from tests.backend.models.painted_sphere import view_sphere

CAMERAS = six_view_cameras(2.0)


class KnowsSpheres(CoordinateNet):
    """Answers with the true surfaces of the spheres that it was given."""

    def __init__(self, front: Tensor, back: Tensor) -> None:
        super().__init__(TINY.coordinates)
        self._surfaces = front, back

    def forward(self, reference: Tensor) -> tuple[Tensor, Tensor]:
        return self._surfaces


def test_true_coordinates_draft_true_views() -> None:
    seen = [view_sphere(orbit_cameras([0.0], [e], 4.0, 15.0), 64) for e in (10.0, 40.0)]
    net = KnowsSpheres(torch.cat([s.front for s in seen]), torch.cat([s.back for s in seen]))
    draft = draft_views(net, torch.cat([s.rgba for s in seen]), CAMERAS)
    assert draft.elevation.tolist() == pytest.approx([10, 40], abs=3)
    truth = view_sphere(CAMERAS, 64).rgba
    for k in range(2):
        drawn, true = draft.rgba[k, :, 3] > 0.5, truth[:, 3] > 0.5
        assert float((drawn & true).sum() / (drawn | true).sum()) > 0.85
        ndc, _ = CAMERAS[[0]].project(draft.positions[k, 0][:, drawn[0]].T)
        assert ndc.abs().max() < 1
        truth_views = view_sphere(CAMERAS, 64)
        both = drawn & (truth_views.rgba[:, 3] == 1)
        cosine = (draft.normals[k] * truth_views.normals).sum(1)[both]
        assert cosine.median() > 0.9
        assert (draft.depth[k] - truth_views.depth).abs()[both].median() < 0.06
        assert not draft.normals[k].permute(0, 2, 3, 1)[~drawn].any()
        assert not draft.depth[k][~drawn].any()
    # The front of the object is seen by view 0 and not by view 2: there the draft must have guessed.
    colour = (draft.rgba[0, 0, :3] - truth[0, :3])[:, drawn[0] & true[0]].abs().mean()
    assert colour < 0.15


def test_an_empty_image_drafts_nothing() -> None:
    net = CoordinateNet(TINY.coordinates).eval()
    draft = draft_views(net, torch.zeros(1, 4, 32, 32), CAMERAS)
    assert not draft.rgba.any()
    assert not draft.positions.any()
    assert torch.isfinite(draft.elevation).all()


def test_elevations_stay_where_cameras_can_stand() -> None:
    torch.manual_seed(0)
    net = CoordinateNet(TINY.coordinates).eval()
    draft = draft_views(net, torch.rand(4, 4, 32, 32), CAMERAS)
    assert (draft.elevation >= -30).all()
    assert (draft.elevation <= 80).all()


def test_colours_under_no_coverage_do_not_reach_the_coordinates() -> None:
    torch.manual_seed(0)
    net = CoordinateNet(TINY.coordinates).eval()
    image = torch.rand(1, 4, 32, 32)
    image[:, 3] = 0
    image[:, 3, 8:24, 8:24] = 1
    other = image.clone()
    other[:, :3] = torch.where(image[:, 3:] == 0, torch.rand(1, 3, 32, 32), image[:, :3])
    with torch.no_grad():
        for one, two in zip(net(image), net(other), strict=True):
            assert one.shape == (1, 3, 32, 32)
            assert torch.equal(one, two)
