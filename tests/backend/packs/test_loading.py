"""A tiny nano pack, written and loaded."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

import backend.packs.loading as loading
from backend.errors import PackError
from backend.models.presets import TINY
from backend.packs.eight_bit import SCALE_SUFFIX, dequantise, quantise
from backend.packs.loading import NanoModules, assemble_nano, build_nano, load_pack, save_nano
from backend.packs.manifest import write_manifest

CPU = torch.device("cpu")
FILES = [f"{name}.safetensors" for name in ("coordinates", "views", "normals", "reconstructor")]


@pytest.fixture(scope="module")
def modules() -> NanoModules:
    torch.manual_seed(0)
    return build_nano(TINY)


@pytest.fixture(scope="module")
def written(modules: NanoModules, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packs") / "tiny"
    save_nano(modules, TINY, folder)
    write_manifest(folder, licence="CC0-1.0", summary="tiny")
    return folder


@pytest.fixture
def pack(written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy that may be spoilt, found by `load_pack("tiny", ...)`."""
    folder = tmp_path / "tiny"
    shutil.copytree(written, folder)
    monkeypatch.setattr(loading, "find_pack", lambda name, _: tmp_path / name)
    return folder


def views_of(pack: loading.Pack) -> Tensor:
    side = pack.multiview.reference_size
    return pack.multiview.generate(
        torch.full((4, side, side), 0.7), steps=1, guidance=1.5, seed=0, on_step=lambda *_: None
    ).rgba


def test_what_is_saved_runs_the_same_after_loading(pack: Path, modules: NanoModules) -> None:
    loaded = load_pack("tiny", CPU)
    assert (loaded.name, loaded.device, loaded.config) == ("tiny", CPU, TINY)
    assert len(loaded.revision) == 12
    torch.manual_seed(1)
    rounded = build_nano(TINY)
    for name, module in rounded.by_file().items():
        module.load_state_dict(dequantise(quantise(modules.by_file()[name].state_dict())))
    assert torch.equal(views_of(loaded), views_of(assemble_nano(rounded, TINY, CPU, revision="r")))


def test_weights_are_stored_in_eight_bits_and_run_in_float32(pack: Path, modules: NanoModules) -> None:
    for file in FILES:
        stored = load_file(pack / file)
        state = modules.by_file()[file].state_dict()
        assert {name for name in stored if not name.endswith(SCALE_SUFFIX)} == state.keys()
        assert {tensor.dtype for tensor in stored.values()} == {torch.int8, torch.float32}
        # An integer buffer would come back as float32.
        assert all(tensor.is_floating_point() for tensor in state.values())
    loaded = load_pack("tiny", CPU)
    assert isinstance(loaded.multiview, loading.NanoViewModel)
    for parameter in loaded.multiview.denoiser.parameters():
        assert parameter.dtype == torch.float32
        assert not parameter.requires_grad
    assert not loaded.multiview.denoiser.training


def _flip_a_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("file", [*FILES, "config.json"])
def test_an_altered_file_is_refused(pack: Path, file: str) -> None:
    _flip_a_byte(pack / file)
    with pytest.raises(PackError, match=rf"{file} has sha256"):
        load_pack("tiny", CPU)


@pytest.mark.parametrize("file", [*FILES, "config.json", "manifest.json"])
def test_a_missing_file_is_named(pack: Path, file: str) -> None:
    (pack / file).unlink()
    with pytest.raises(PackError, match=rf"{file} is missing"):
        load_pack("tiny", CPU)


def _drop_one(weights: dict[str, Tensor]) -> None:
    weights.pop(next(iter(weights)))


def _add_one(weights: dict[str, Tensor]) -> None:
    weights["extra"] = torch.zeros(1)


def _shrink_one(weights: dict[str, Tensor]) -> None:
    name = next(iter(weights))
    weights[name] = weights[name][:1].clone()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [(_drop_one, "is missing"), (_add_one, "extra is not known"), (_shrink_one, "is wanted")],
)
def test_weights_that_do_not_fit_are_refused_even_with_a_true_manifest(
    pack: Path, change: Callable[[dict[str, Tensor]], None], complaint: str
) -> None:
    weights = load_file(pack / FILES[0])
    change(weights)
    save_file(weights, pack / FILES[0])
    write_manifest(pack, licence="CC0-1.0", summary="tiny")
    with pytest.raises(PackError, match=complaint):
        load_pack("tiny", CPU)


def test_the_revision_follows_every_byte(pack: Path) -> None:
    before = load_pack("tiny", CPU).revision
    _flip_a_byte(pack / FILES[3])
    write_manifest(pack, licence="CC0-1.0", summary="tiny")
    assert load_pack("tiny", CPU).revision != before


def test_an_unknown_pack_is_told_the_known_ones() -> None:
    with pytest.raises(PackError, match="no pack 'huge'"):
        load_pack("huge", CPU)
