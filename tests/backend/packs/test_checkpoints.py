"""Pickled checkpoints to safetensors, and what is refused."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from backend.errors import PackError
from backend.packs.catalogue import HubFile
from backend.packs.checkpoints import convert_checkpoint
from tests.backend.packs.miniature import hub_file


def convert(content: object, folder: Path, file: HubFile | None = None) -> dict[str, torch.Tensor]:
    torch.save(content, folder / "model.ckpt")
    file = file or hub_file("reconstructor", "model.safetensors", "owner/name/model.ckpt")
    convert_checkpoint(folder / "model.ckpt", file, folder / "model.safetensors")
    return load_file(folder / "model.safetensors")


def test_a_plain_state_dict_keeps_names_values_and_precision(tmp_path: Path) -> None:
    base = torch.arange(12.0).reshape(3, 4)
    state = {
        "a": torch.randn(2, 3),
        "half": torch.randn(4).half(),
        "brain": torch.randn(4).bfloat16(),
        "count": torch.tensor(7),
        "transposed": base.T,
        "row": base[1],
    }
    found = convert(state, tmp_path)
    assert found.keys() == state.keys()
    for name, tensor in state.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)


def test_tied_tensors_are_written_each(tmp_path: Path) -> None:
    tensor = torch.randn(3)
    found = convert({"a": tensor, "b": tensor}, tmp_path)
    assert torch.equal(found["a"], tensor)
    assert torch.equal(found["b"], tensor)


def test_prefix_and_leftovers(tmp_path: Path) -> None:
    file = hub_file(
        "reconstructor",
        "model.safetensors",
        "owner/name/model.ckpt",
        strip="lrm_generator.",
        drop=("source_camera",),
    )
    state = {
        "lrm_generator.a": torch.ones(1),
        "lrm_generator.source_camera": torch.ones(1),
        "lpips.a": torch.zeros(1),
    }
    found = convert({"state_dict": state, "hyper_parameters": {"depth": 3}}, tmp_path, file)
    assert found.keys() == {"a"}
    with pytest.raises(PackError, match=r"no weights named lrm_generator\."):
        convert({"state_dict": {"other": torch.ones(1)}}, tmp_path, file)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ([torch.ones(1)], "holds a list"),
        ({"a": torch.ones(1), "b": "text"}, "holds a str under 'b'"),
        ({}, "no weights"),
        ({1: torch.ones(1)}, "holds something under 1"),
        (torch.nn.Linear(2, 2), "refused"),
    ],
)
def test_what_is_no_state_dict(tmp_path: Path, content: object, complaint: str) -> None:
    with pytest.raises(PackError, match=complaint):
        convert(content, tmp_path)
    assert not (tmp_path / "model.safetensors").exists()


def _pickled(path: Path) -> None:
    path.write_bytes(pickle.dumps({"a": 1}))


def _of_old(path: Path) -> None:
    torch.save({"a": torch.ones(2)}, path, _use_new_zipfile_serialization=False)


def _cut(path: Path) -> None:
    torch.save({"a": torch.ones(2000)}, path)
    path.write_bytes(path.read_bytes()[:4000])


def _text(path: Path) -> None:
    path.write_text("version https://git-lfs.github.com/spec/v1")


@pytest.mark.parametrize("spoil", [_pickled, _of_old, _cut, _text])
def test_an_unreadable_checkpoint_is_named(tmp_path: Path, spoil: object) -> None:
    spoil(tmp_path / "model.ckpt")
    file = hub_file("reconstructor", "model.safetensors", "owner/name/model.ckpt")
    with pytest.raises(PackError, match=r"^model\.ckpt is"):
        convert_checkpoint(tmp_path / "model.ckpt", file, tmp_path / "model.safetensors")
    assert not (tmp_path / "model.safetensors").exists()
