from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.geometry.cameras import Cameras, orbit_cameras
from backend.training import reference_dataset as subject
from backend.training.assets import Model
from backend.training.dataset import REFERENCE_SIZE, VIEW_SIZE
from backend.training.reference_dataset import (
    ReferenceBatch,
    ReferenceDataset,
    ReferenceExample,
    render_references,
)
from backend.training.rendering import Renderer
from tests.backend.models.painted_sphere import paint_of, view_sphere
from tests.backend.training.shapes import figure
from tests.backend.training.sphere_examples import CPU, write_reference_shard
from tests.backend.training.test_dataset import HELD_OUT, SEEN
from tests.backend.training.test_render_dataset import contents, data_folder

SIZE = 32


def front_camera(elevation: float) -> Cameras:
    return orbit_cameras([0.0], [elevation], 4.0, 15.0)


def write_sphere(folder: Path, elevation: float) -> None:
    """One image of a small sphere that stands to the upper right."""
    small, large = (
        view_sphere(front_camera(elevation), side, 0.2, (0.15, 0.1, 0.05)) for side in (SIZE, 2 * SIZE)
    )
    folder.mkdir(parents=True)
    np.save(folder / "rgba.npy", (large.rgba.permute(0, 2, 3, 1).numpy() * 255).round().astype("u1"))
    np.save(folder / "front.npy", small.front.permute(0, 2, 3, 1).numpy().astype("f2"))
    np.save(folder / "back.npy", small.back.permute(0, 2, 3, 1).numpy().astype("f2"))
    np.save(folder / "elevation.npy", np.array([elevation], "f4"))
    (folder / "index.json").write_text(json.dumps({"seed": 0, "packs": [SEEN]}))


@pytest.fixture(scope="module")
def plain_and_mirrored(tmp_path_factory: pytest.TempPathFactory) -> tuple[ReferenceExample, ReferenceExample]:
    folder = tmp_path_factory.mktemp("references")
    write_sphere(folder / "shard_0000", 25.0)
    data = ReferenceDataset(folder, validation=False)
    assert len(data) == 2
    return data[0], data[1]


def test_every_second_example_is_the_mirror_image(
    plain_and_mirrored: tuple[ReferenceExample, ReferenceExample],
) -> None:
    plain, mirrored = plain_and_mirrored
    assert torch.equal(mirrored.reference_rgba, plain.reference_rgba.flip(-1))
    assert not torch.equal(mirrored.reference_rgba, plain.reference_rgba)
    assert mirrored.elevation == plain.elevation == 25
    assert plain.reference_rgba.shape == (4, 2 * SIZE, 2 * SIZE)
    assert plain.reference_front.shape == plain.reference_back.shape == (3, SIZE, SIZE)


@pytest.mark.parametrize("index", [0, 1])
def test_positions_lie_behind_their_pixels_mirrored_or_not(
    plain_and_mirrored: tuple[ReferenceExample, ReferenceExample], index: int
) -> None:
    """A level camera at azimuth 0 is its own mirror image, so the mirrored sphere projects as it is seen."""
    example = plain_and_mirrored[index]
    mask = torch.nn.functional.avg_pool2d(example.reference_rgba[3:], 2)[0] == 1
    assert mask.sum() > 50
    row, column = torch.nonzero(mask, as_tuple=True)
    pixel = torch.stack([(column + 0.5) / SIZE * 2 - 1, 1 - (row + 0.5) / SIZE * 2], dim=1)
    for positions in (example.reference_front, example.reference_back):
        ndc, _ = front_camera(25.0).project(positions[:, mask].T)
        assert (ndc[0] - pixel).abs().max() < 0.5 / SIZE
    centre = torch.tensor([-0.15 if index else 0.15, 0.1, 0.05])
    distance = (example.reference_front[:, mask].T - centre).norm(dim=1)
    assert (distance - 0.2).abs().max() < 0.01


def test_colours_are_mirrored_with_the_positions(
    plain_and_mirrored: tuple[ReferenceExample, ReferenceExample],
) -> None:
    example = plain_and_mirrored[1]
    mask = torch.nn.functional.avg_pool2d(example.reference_rgba[3:], 2)[0] == 1
    colours = torch.nn.functional.avg_pool2d(example.reference_rgba[:3], 2)[:, mask].T
    unmirrored = example.reference_front[:, mask].T * torch.tensor([-1.0, 1.0, 1.0])
    assert (colours - paint_of(unmirrored)).abs().max() < 0.02


def test_packs_are_never_split(tmp_path: Path) -> None:
    write_reference_shard(tmp_path / "shard_0000", [SEEN, HELD_OUT, SEEN])
    write_reference_shard(tmp_path / "shard_0002", [HELD_OUT])
    (tmp_path / "partial_0001").mkdir()
    training, held_out = (ReferenceDataset(tmp_path, validation=v) for v in (False, True))
    assert (len(training), len(held_out)) == (4, 4)
    radii = [float(training[k].reference_front.norm(dim=0).max()) for k in range(4)]
    assert radii[0] == pytest.approx(radii[1])
    assert radii[2] > radii[0] + 0.05, "the third image of the shard, not the second"


@pytest.mark.parametrize("packs", [[], [SEEN]])
def test_an_empty_split_says_what_to_do(tmp_path: Path, packs: list[str]) -> None:
    if packs:
        write_reference_shard(tmp_path / "shard_0000", packs)
    with pytest.raises(FileNotFoundError, match=r"no validation images.*train references --data DIR"):
        ReferenceDataset(tmp_path, validation=True)


def test_a_batch_stacks_every_field(tmp_path: Path) -> None:
    write_reference_shard(tmp_path / "shard_0000", [SEEN, SEEN])
    data = ReferenceDataset(tmp_path, validation=False)
    batch = ReferenceBatch.stack([data[k] for k in range(3)], CPU)
    assert batch.reference_rgba.shape == (3, 4, 64, 64)
    assert batch.elevation.shape == (3,)
    assert torch.equal(batch.reference_back[1], data[1].reference_back)


@pytest.fixture
def cheap_images(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Noise in place of pictures, two a model and two models a shard; returns the azimuths asked for."""
    azimuths: list[float] = []

    def noise(
        model: Model, azimuth: float, renderer: object, rng: np.random.Generator
    ) -> dict[str, np.ndarray]:
        azimuths.append(azimuth)
        return {
            name: rng.integers(1, 9, shape).astype(kind) for name, (shape, kind) in subject._CHANNELS.items()
        }

    monkeypatch.setattr(subject, "IMAGES_PER_MODEL", 2)
    monkeypatch.setattr(subject, "MODELS_PER_SHARD", 2)
    monkeypatch.setattr(subject, "render_reference", noise)
    monkeypatch.setattr(subject, "draw_model", lambda source, rng: figure())
    monkeypatch.setattr(subject, "Renderer", nullcontext)
    return azimuths


def assets(folder: Path, count: int = 3) -> Path:
    return data_folder(folder, [(f"{k}.glb", f"pack {k}", "prop") for k in range(count)])


def packs_of(folder: Path) -> list[Sequence[str]]:
    return [json.loads((shard / "index.json").read_text())["packs"] for shard in sorted(folder.iterdir())]


def test_workers_share_the_shards_and_agree_on_the_order(tmp_path: Path, cheap_images: list[float]) -> None:
    data = assets(tmp_path / "data")
    for worker in (0, 1):
        render_references([data], tmp_path / "shared", images=6, worker=worker, workers=2, seed=0)
    render_references([data], tmp_path / "alone", images=6, worker=0, workers=1, seed=0)
    for shard in ("shard_0000", "shard_0001"):
        assert contents(tmp_path / "shared" / shard) == contents(tmp_path / "alone" / shard)
    assert set(cheap_images) == {0.0}, "the models are turned, not the cameras"
    packs = packs_of(tmp_path / "alone")
    assert [len(p) for p in packs] == [4, 2], "the last shard holds what is left"
    assert all(shard[::2] == shard[1::2] for shard in packs), "two images of each model"
    assert len(ReferenceDataset(tmp_path / "alone", validation=False)) >= 6


def test_no_more_is_rendered_than_was_asked_for(tmp_path: Path, cheap_images: list[float]) -> None:
    render_references([assets(tmp_path / "data")], tmp_path / "out", images=3, worker=0, workers=1, seed=0)
    assert len(cheap_images) == 4, "whole models"


def test_a_stopped_shard_is_begun_anew_and_a_finished_one_kept(
    tmp_path: Path, cheap_images: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = assets(tmp_path / "data")

    def render(folder: str) -> None:
        render_references([data], tmp_path / folder, images=4, worker=0, workers=1, seed=1)

    render("whole")
    real, calls = subject.render_reference, 0

    def stops_at_the_third(*arguments: object) -> dict[str, np.ndarray]:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(subject, "render_reference", stops_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        render("stopped")
    assert not list((tmp_path / "stopped").glob("shard_*"))
    render("stopped")
    assert contents(tmp_path / "stopped" / "shard_0000") == contents(tmp_path / "whole" / "shard_0000")
    assert [path.name for path in (tmp_path / "stopped").iterdir()] == ["shard_0000"]
    count = calls
    render("stopped")
    assert calls == count, "a finished shard was rendered again"


def test_a_rendered_shard_is_what_the_dataset_reads(
    tmp_path: Path, renderer: Renderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject, "IMAGES_PER_MODEL", 2)
    render_references([assets(tmp_path / "data", 1)], tmp_path / "out", images=2, worker=0, workers=1, seed=0)
    packs = packs_of(tmp_path / "out")
    data = ReferenceDataset(tmp_path / "out", validation=subject.is_validation(packs[0][0]))
    assert len(data) == 4
    elevations = set()
    for k in range(4):
        example = data[k]
        assert example.reference_rgba.shape == (4, REFERENCE_SIZE, REFERENCE_SIZE)
        assert example.reference_front.shape == (3, VIEW_SIZE, VIEW_SIZE)
        whole = torch.nn.functional.avg_pool2d(example.reference_rgba[3:], 2)[0] == 1
        assert (example.reference_front != 0).any(0)[whole].all()
        assert example.reference_front.norm(dim=0).max() < 0.51, "within the model frame's sphere"
        elevations.add(float(example.elevation))
    assert len(elevations) == 2, "each image has a camera of its own"
