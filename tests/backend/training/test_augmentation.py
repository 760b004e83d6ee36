from __future__ import annotations

import pytest
import torch

from backend.training.augmentation import corrupt_views, recolour
from tests.backend.training.sphere_examples import sphere_batch


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_recolouring_keeps_alpha_and_half_of_the_hues() -> None:
    rgba = torch.rand(400, 4, 2, 2, generator=generator()) * 0.8
    changed, (matrix, gain) = recolour(rgba, generator())
    assert torch.equal(changed[:, 3], rgba[:, 3])
    assert changed[:, :3].max() <= 1
    identity = (matrix == torch.eye(3)).all(dim=(1, 2)).float().mean()
    # Half are left alone, and one in six permutations is the identity.
    assert float(identity) == pytest.approx(0.5 + 0.5 / 6, abs=0.08)
    assert 0.85 <= float(gain.min()) < 0.87
    assert 1.13 < float(gain.max()) <= 1.15
    wanted = torch.einsum("bij,bjhw->bihw", matrix, rgba[:, :3]) * gain[:, :, None, None]
    torch.testing.assert_close(changed[:, :3], wanted.clamp(0, 1))


def test_a_samples_views_take_its_references_colours() -> None:
    colour = torch.rand(5, 1, 4, 1, 1, generator=generator())
    reference, transform = recolour(colour[:, 0].expand(-1, -1, 3, 3), generator())
    views, same = recolour(colour.expand(-1, 6, -1, 3, 3), generator(9), transform)
    assert same is transform
    torch.testing.assert_close(views, reference[:, None].expand_as(views))


def test_half_of_the_samples_stay_true() -> None:
    batch = sphere_batch(1)
    views = [t.expand(60, *t.shape[1:]) for t in (batch.view_rgba, batch.view_normal, batch.view_depth)]
    rgba, normals, depth = corrupt_views(*views, generator())
    moved = (rgba - views[0]).abs().amax(dim=(1, 2, 3, 4)) > 1e-4
    assert 0.3 < float(moved.float().mean()) < 0.7
    covered = views[0][:, :, 3:].expand_as(normals) == 1
    torch.testing.assert_close(
        normals[~moved][covered[~moved]], views[1][~moved][covered[~moved]], atol=1e-4, rtol=0
    )
    withheld = depth.abs().amax(dim=(1, 2, 3)) == 0
    assert 0.15 < float(withheld.float().mean()) < 0.5
    kept = ~moved & ~withheld
    torch.testing.assert_close(depth[kept], views[2][kept], atol=1e-4, rtol=0)


def test_corrupted_views_are_plausible_ones() -> None:
    batch = sphere_batch(1)
    views = [t.expand(20, *t.shape[1:]) for t in (batch.view_rgba, batch.view_normal, batch.view_depth)]
    rgba, normals, _ = corrupt_views(*views, generator())
    moved = (rgba - views[0]).abs().amax(dim=(1, 2, 3, 4)) > 1e-4
    assert rgba.min() >= 0
    assert rgba.max() <= 1
    whole = (rgba[moved, :, 3] == 1) & (views[0][moved, :, 3] == 1)
    length = normals[moved].norm(dim=2)[whole]
    torch.testing.assert_close(length, torch.ones_like(length))
    cosine = (normals[moved] * views[1][moved]).sum(2)[whole]
    assert 0.85 < float(cosine.mean()) < 0.995
    shift = (centroid(rgba[moved, :, 3]) - centroid(views[0][moved, :, 3])).abs()
    assert 0.5 < float(shift.max()) <= 2.05, "pixels"


def centroid(alpha: torch.Tensor) -> torch.Tensor:
    """(row, column) of each mask, pixels."""
    steps = torch.arange(alpha.shape[-1], dtype=torch.float32)
    weight = alpha.sum(dim=(-2, -1))
    return (
        torch.stack([(alpha.sum(-1) * steps).sum(-1), (alpha.sum(-2) * steps).sum(-1)], -1)
        / weight[..., None]
    )


def test_augmentations_repeat_by_seed() -> None:
    batch = sphere_batch(2)
    views = (batch.view_rgba, batch.view_normal, batch.view_depth)
    for one, two in zip(
        corrupt_views(*views, generator(3)), corrupt_views(*views, generator(3)), strict=True
    ):
        assert torch.equal(one, two)
    assert torch.equal(recolour(views[0], generator(3))[0], recolour(views[0], generator(3))[0])
