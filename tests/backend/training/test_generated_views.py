from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from backend.device import autocast
from backend.models.presets import TINY
from backend.packs.loading import Pack, assemble_nano, build_nano
from backend.training import generated_views as subject
from backend.training.dataset import RenderedDataset
from backend.training.generated_views import MixedViews, generate_views_of
from tests.backend.training.sphere_examples import write_sphere_shard
from tests.backend.training.test_dataset import SEEN


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> RenderedDataset:
    folder = tmp_path_factory.mktemp("data")
    write_sphere_shard(folder / "shard_0000", [SEEN, SEEN])
    return RenderedDataset(folder, validation=False)


@pytest.fixture(scope="module")
def pack() -> Pack:
    torch.manual_seed(0)
    return assemble_nano(build_nano(TINY), TINY, torch.device("cpu"), revision="test")


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "_CHUNK", 2)
    monkeypatch.setattr(subject, "_VIEW_STEPS", 1)
    monkeypatch.setattr(subject, "_NORMAL_STEPS", 1)


def arrays(folder: Path) -> dict[str, np.ndarray]:
    return {
        f"{path.name} {name}": values
        for path in sorted(folder.iterdir())
        for name, values in np.load(path).items()
    }


@pytest.mark.usefixtures("small_chunks")
def test_workers_share_the_chunks_and_a_stopped_run_goes_on(
    data: RenderedDataset, pack: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generate_views_of(pack, data, tmp_path / "alone", count=3, worker=0, workers=1)
    whole = arrays(tmp_path / "alone")
    assert {key.split()[0] for key in whole} == {"chunk_00000.npz", "chunk_00001.npz"}

    real = np.savez

    def full_disk(path: Path, **values: np.ndarray) -> None:
        path.write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(subject.np, "savez", full_disk)
    with pytest.raises(OSError, match="No space"):
        generate_views_of(pack, data, tmp_path / "shared", count=3, worker=1, workers=2)
    monkeypatch.setattr(subject.np, "savez", real)
    with pytest.raises(FileNotFoundError, match="train generate"):
        MixedViews(data, tmp_path / "shared")
    for worker in (0, 1):
        generate_views_of(pack, data, tmp_path / "shared", count=3, worker=worker, workers=2)
    shared = arrays(tmp_path / "shared")
    assert shared.keys() == whole.keys()
    assert all(np.array_equal(shared[key], whole[key]) for key in whole)

    def must_not_run(*_: object, **__: object) -> None:
        raise AssertionError("a finished chunk was made again")

    monkeypatch.setattr(subject, "_generate", must_not_run)
    generate_views_of(pack, data, tmp_path / "shared", count=3, worker=0, workers=1)


@pytest.mark.usefixtures("small_chunks")
def test_half_of_the_samples_have_generated_views(data: RenderedDataset, pack: Pack, tmp_path: Path) -> None:
    generate_views_of(pack, data, tmp_path, count=3, worker=0, workers=1)
    mixed = MixedViews(data, tmp_path)
    assert len(mixed) == 6
    indices = np.concatenate([np.load(path)["indices"] for path in sorted(tmp_path.iterdir())])
    for row, index in enumerate(indices):
        generated, source = mixed[2 * row], data[int(index)]
        assert torch.equal(generated.points, source.points)
        assert torch.equal(generated.reference_rgba, source.reference_rgba)
        assert generated.view_rgba.shape == source.view_rgba.shape
        assert not torch.equal(generated.view_rgba, source.view_rgba)
        with autocast(pack.device):
            again = pack.multiview.generate(
                source.reference_rgba, steps=1, guidance=1.0, seed=int(index), on_step=lambda *_: None
            )
        assert (generated.view_rgba - again.rgba).abs().max() < 0.6 / 255, "rounded to bytes"
        covered = generated.view_rgba[:, 3] > 0.5
        length = generated.view_normal.norm(dim=1)[covered]
        assert length.numel() == 0 or (length - 1).abs().max() < 0.02
        true = mixed[2 * row + 1]
        assert any(torch.equal(true.view_rgba, data[k].view_rgba) for k in range(len(data)))


def test_without_chunks_it_says_what_to_do(data: RenderedDataset, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="python -m backend train generate"):
        MixedViews(data, tmp_path)
