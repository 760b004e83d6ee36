"""The draft of the views, drawn from what the coordinate net sees."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from backend.geometry.cameras import orbit_cameras, six_view_cameras
from backend.models.layers.pixels import shrink
from backend.models.multiview.coordinate_net import CoordinateNet, ObjectCoordinates
from backend.models.multiview.draft import Draft, Draftsman, draft_views
from backend.models.presets import TINY
from tests.backend.models.painted_sphere import reference_of_sphere, view_sphere

CAMERAS = six_view_cameras(2.0)
SIDE = TINY.coordinates.image_size


@pytest.fixture(scope="module")
def net() -> CoordinateNet:
    torch.manual_seed(0)
    return CoordinateNet(TINY.coordinates).eval()


def true_draft(elevations: list[float], size: int) -> tuple[Tensor, Draft]:
    """Reference images of the sphere, and the draft of whoever sees them as they are."""
    references, answer = reference_of_sphere(elevations, size)
    return references, draft_views(lambda _: answer, references, CAMERAS)


def test_true_coordinates_draft_true_views() -> None:
    _, draft = true_draft([10.0, 40.0], 64)
    assert draft.elevation.tolist() == [10, 40]
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


def test_the_draft_holds_the_reference_and_its_positions_at_the_views_size() -> None:
    references, draft = true_draft([35.0], 32)
    assert torch.equal(draft.reference, shrink(references, 32))
    seen = view_sphere(orbit_cameras([0.0], [35.0], 4.0, 15.0), 32)
    torch.testing.assert_close(draft.front, seen.front, msg="upright, not in the camera's axes")
    assert draft.rgba.shape == (1, 6, 4, 32, 32)


def test_an_empty_image_drafts_nothing(net: CoordinateNet) -> None:
    draft = draft_views(net, torch.zeros(1, 4, SIDE, SIDE), CAMERAS)
    assert not draft.rgba.any()
    assert not draft.positions.any()
    assert torch.isfinite(draft.elevation).all()


def test_the_draftsman_draws_an_image_once(net: CoordinateNet, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    real = net.forward

    def counted(reference: Tensor) -> ObjectCoordinates:
        calls.append(len(reference))
        return real(reference)

    monkeypatch.setattr(net, "forward", counted)
    references, _ = reference_of_sphere([10.0, 40.0], SIDE // 2)
    draftsman = Draftsman(net, CAMERAS)
    first = draftsman(references[0])
    assert draftsman(references[0].clone()) is first
    second = draftsman(references[1])
    assert calls == [2, 2], "the image and its mirror image"
    assert not torch.equal(first.rgba, second.rgba)
    assert torch.equal(draftsman(references[0]).rgba, first.rgba)
    assert first.rgba.shape == (1, 6, 4, SIDE // 2, SIDE // 2)


def test_a_changed_image_is_drawn_anew(net: CoordinateNet) -> None:
    reference = reference_of_sphere([10.0], SIDE // 2)[0][0]
    draftsman = Draftsman(net, CAMERAS)
    first = draftsman(reference)
    reference[0] = 1 - reference[0]
    assert not torch.equal(draftsman(reference).reference, first.reference), "changed in place"
