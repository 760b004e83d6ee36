"""The six-fold reuse of a stored sample, against renderings of the turned and mirrored model itself."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import igl
import numpy as np
import pytest
import torch

from backend.geometry.cameras import six_view_cameras
from backend.models.layers.pixels import shrink
from backend.models.multiview.coordinate_net import camera_axes
from backend.training.assets import Model
from backend.training.dataset import (
    CHANNELS,
    REFERENCES,
    VIEW_DISTANCE,
    VIEW_SIZE,
    Example,
    RenderedDataset,
    is_validation,
    turn_and_mirror,
    view_order,
)
from backend.training.labels import signed_distance
from backend.training.render_dataset import render_sample
from backend.training.rendering import Renderer
from backend.training.throughput import StageClock
from tests.backend.training.shapes import figure

SEEN, HELD_OUT = (next(p for p in map(str, range(999)) if is_validation(p) == held) for held in (False, True))
"""Names of packs on either side of the split."""


def write_shard(folder: Path, packs: Sequence[str], samples: Sequence[dict[str, np.ndarray]]) -> None:
    folder.mkdir(parents=True)
    for name in samples[0]:
        np.save(folder / f"{name}.npy", np.stack([sample[name] for sample in samples]))
    entries = [{"name": f"sample {k}", "pack": pack} for k, pack in enumerate(packs)]
    (folder / "index.json").write_text(json.dumps({"seed": 0, "samples": entries}))


@pytest.fixture(scope="module")
def examples(
    renderer: Renderer, reference_renderer: Renderer, tmp_path_factory: pytest.TempPathFactory
) -> list[Example]:
    """The six training samples that the figure gives."""
    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("backend.training.render_dataset.POINTS", 1200)
        patch.setattr("backend.training.render_dataset.SURFACE_POINTS", 600)
        # Cameras held straight and aimed at the object show their elevation in their images.
        patch.setattr("backend.training.render_dataset._ROLL_DEGREES", 0.0)
        patch.setattr("backend.training.render_dataset._AIM_SHARE", 0.0)
        rng = np.random.default_rng(0)
        sample = render_sample(figure(), renderer, reference_renderer, rng, StageClock())
    write_shard(folder / "shard_0000", [SEEN], [sample])
    data = RenderedDataset(folder, validation=False)
    assert len(data) == REFERENCES
    return [data[k] for k in range(REFERENCES)]


def turned_figure(reference: int) -> Model:
    return figure().transformed(turn_and_mirror(reference), np.zeros(3))


def covered(example: Example) -> torch.Tensor:
    """Pixels of the coordinates that the object fills."""
    return shrink(example.reference_rgba[None], VIEW_SIZE)[0, 3] > 0.999


EVERY_REFERENCE = pytest.mark.parametrize("reference", range(REFERENCES))


@EVERY_REFERENCE
def test_the_views_are_those_of_the_turned_model(
    renderer: Renderer, examples: list[Example], reference: int
) -> None:
    example = examples[reference]
    truth = renderer.render(turned_figure(reference), six_view_cameras(VIEW_DISTANCE))
    alpha = example.view_rgba[:, 3].numpy()
    for view in range(6):
        ours, true = alpha[view] > 0.6, truth.alpha[view] > 0.6  # no pixel's coverage is between 1/2 and 3/4
        assert (ours & true).sum() / (ours | true).sum() > 0.97
    both = (alpha == 1) & (truth.alpha == 1)
    colour = np.abs(example.view_rgba[:, :3].permute(0, 2, 3, 1).numpy() - truth.rgb)[both].max(-1)
    cosine = (example.view_normal.permute(0, 2, 3, 1).numpy() * truth.normal).sum(-1)[both]
    depth = np.abs(example.view_depth.numpy() - truth.depth)[both]
    # Edges between faces may fall into the neighbouring pixel.
    assert np.quantile(colour, 0.97) < 2 / 255
    assert np.quantile(cosine, 0.03) > 0.99
    assert np.quantile(depth, 0.97) < 0.003


@EVERY_REFERENCE
def test_points_and_distances_belong_to_the_turned_model(examples: list[Example], reference: int) -> None:
    example, model = examples[reference], turned_figure(reference)
    assert signed_distance(model, example.points.numpy()) == pytest.approx(example.sdf.numpy(), abs=2e-3)
    surface = example.surface_points.numpy()
    assert np.abs(signed_distance(model, surface, shell=0.0)).max() < 1e-3
    triangles = model.triangles.astype(np.float64)
    _, face, _ = igl.point_mesh_squared_distance(
        surface.astype(np.float64), triangles.reshape(-1, 3), np.arange(len(triangles) * 3).reshape(-1, 3)
    )
    cross = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])[face]
    cross /= np.linalg.norm(cross, axis=1, keepdims=True)
    assert np.quantile((cross * example.surface_normals.numpy()).sum(1), 0.1) > 0.99
    assert example.surface_material.min() >= 0
    assert example.surface_material.max() <= 1


@EVERY_REFERENCE
def test_the_reference_sees_the_turned_model_from_azimuth_0(examples: list[Example], reference: int) -> None:
    example, model = examples[reference], turned_figure(reference)
    mask = covered(example)
    for positions in (example.reference_front, example.reference_back):
        seen = positions[:, mask].T.numpy()
        distance = np.abs(signed_distance(model, seen, shell=0.0))
        # A pixel that straddles an edge holds a mean depth, which lies on neither surface.
        assert np.quantile(distance, 0.8) < 2e-3
    right, up, backward = camera_axes(example.elevation) @ example.reference_front[:, mask]
    row, column = torch.nonzero(mask).float().T
    for pixel, along in ((column, right), (-row, up)):
        # In the camera's axes a pixel follows one of them alone, up to perspective.
        design = np.stack([along.numpy(), backward.numpy(), np.ones(len(along))], axis=1)
        slope = np.linalg.lstsq(design, pixel.numpy(), rcond=None)[0]
        assert slope[0] > 20
        assert abs(slope[1]) < 0.12 * slope[0], "7 degrees"


@EVERY_REFERENCE
def test_the_references_colours_sit_on_their_parts(examples: list[Example], reference: int) -> None:
    """The red arm, the blue nose and the green hat are where the turned model has them."""
    example, model = examples[reference], turned_figure(reference)
    colours = shrink(example.reference_rgba[None], VIEW_SIZE)[0, :3].permute(1, 2, 0).numpy()
    front = example.reference_front.permute(1, 2, 0).numpy()
    whole = covered(example).numpy()
    checked = 0
    for part, channel in ((1, 0), (2, 2), (3, 1)):
        corners = model.parts[part].positions.reshape(-1, 3)
        low, high = corners.min(0), corners.max(0)
        on_part = (np.maximum(low - front, front - high).max(-1) < 1e-3) & whole
        for other in (p.positions.reshape(-1, 3) for k, p in enumerate(model.parts) if k != part):
            on_part &= ~((front > other.min(0) - 0.02) & (front < other.max(0) + 0.02)).all(-1)
        if on_part.sum() > 10:
            strongest = colours[on_part].argmax(-1)
            assert (strongest == channel).mean() > 0.9
            checked += 1
    assert checked >= 1


def test_turns_and_mirrors_bring_each_reference_to_the_front() -> None:
    for reference in range(REFERENCES):
        angle = np.radians(60 * reference)
        seen_from = np.array([np.sin(angle), 0.3, np.cos(angle)])
        assert turn_and_mirror(reference) @ seen_from == pytest.approx(np.array([0, 0.3, 1]), abs=1e-9)
        assert np.linalg.det(turn_and_mirror(reference)) == pytest.approx((-1) ** reference)


def test_view_orders_are_permutations_that_keep_elevations() -> None:
    for reference in range(REFERENCES):
        order = view_order(reference)
        assert sorted(order) == list(range(6))
        assert [view % 2 for view in order] == [0, 1] * 3
    assert view_order(0) == list(range(6))


def test_packs_are_never_split(examples: list[Example], tmp_path: Path) -> None:
    sample = _sample_of_nothing()
    write_shard(tmp_path / "shard_0000", [SEEN, HELD_OUT, SEEN], [sample] * 3)
    write_shard(tmp_path / "shard_0003", [HELD_OUT], [sample])
    (tmp_path / "partial_0001").mkdir()
    assert len(RenderedDataset(tmp_path, validation=False)) == 2 * REFERENCES
    assert len(RenderedDataset(tmp_path, validation=True)) == 2 * REFERENCES
    share = np.mean([is_validation(f"pack {k}") for k in range(3000)])
    assert share == pytest.approx(0.04, abs=0.01)


@pytest.mark.parametrize("packs", [None, [SEEN]])
def test_an_empty_split_says_what_to_do(tmp_path: Path, packs: list[str] | None) -> None:
    if packs:
        write_shard(tmp_path / "shard_0000", packs, [_sample_of_nothing()])
    with pytest.raises(FileNotFoundError, match=r"no validation samples.*train render"):
        RenderedDataset(tmp_path, validation=True)


def _sample_of_nothing() -> dict[str, np.ndarray]:
    return {name: np.zeros([1] * len(shape), dtype) for name, (shape, dtype) in CHANNELS.items()}
