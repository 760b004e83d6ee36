"""Strict loading with a two-layer module."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from backend.errors import PackError
from backend.packs.strict_loading import NameRule, load_strictly


class TwoLayers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.query = nn.Linear(3, 4)
        self.key = nn.Linear(3, 4)


def weights() -> dict[str, Tensor]:
    torch.manual_seed(0)
    return {name: torch.randn_like(tensor) for name, tensor in TwoLayers().state_dict().items()}


def test_a_file_fills_a_module_built_without_memory(tmp_path: Path) -> None:
    save_file(weights(), tmp_path / "w.safetensors")
    with torch.device("meta"):
        module = TwoLayers()
    load_strictly(module, tmp_path / "w.safetensors")
    for name, tensor in module.state_dict().items():
        torch.testing.assert_close(tensor, weights()[name])


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda w: w.pop("key.bias"), r"key\.bias is missing"),
        (lambda w: w.update(extra=torch.zeros(1)), "extra is not known"),
        (lambda w: w.update({"key.weight": torch.zeros(4, 2)}), r"key\.weight gives \(4, 2\) where \(4, 3\)"),
    ],
)
def test_a_wrong_file_names_parameter_and_file(
    tmp_path: Path, change: Callable[[dict[str, Tensor]], object], complaint: str
) -> None:
    tensors = weights()
    change(tensors)
    path = tmp_path / "w.safetensors"
    save_file(tensors, path)
    module = TwoLayers()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    with pytest.raises(PackError, match=complaint) as raised:
        load_strictly(module, path)
    assert str(path) in str(raised.value)
    for name, tensor in module.state_dict().items():
        torch.testing.assert_close(tensor, before[name], msg="a refused file changed the module")


def test_many_problems_stay_readable() -> None:
    with pytest.raises(PackError, match="and 2 more"):
        load_strictly(TwoLayers(), {f"w{k}": torch.zeros(1) for k in range(3)}, origin="a.ckpt")


@pytest.mark.parametrize("content", [b"", b"not safetensors at all", None])
def test_an_unreadable_file_is_a_pack_error(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "w.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PackError, match=r"w\.safetensors"):
        load_strictly(TwoLayers(), path)


def test_rules_rename_split_and_ignore() -> None:
    given = weights()
    stored = {
        "attn.qk.weight": torch.cat([given["query.weight"], given["key.weight"]])[..., None, None],
        "attn.qk.bias": torch.cat([given["query.bias"], given["key.bias"]]),
        "attn.position_ids": torch.zeros(1),
    }
    rules = [
        NameRule(rf"{name}\.(\w+)", r"attn.qk.\1", part=(index, 2), pointwise=True)
        for index, name in enumerate(("query", "key"))
    ]
    module = TwoLayers()
    load_strictly(module, stored, rules, ignored=[r"attn\.position_ids"])
    for name, tensor in module.state_dict().items():
        torch.testing.assert_close(tensor, given[name])


def test_of_several_rules_the_first_that_the_file_knows_counts() -> None:
    renamed = {name.replace("query", "new"): tensor for name, tensor in weights().items()}
    rules = [NameRule(r"query\.(\w+)", r"old.\1"), NameRule(r"query\.(\w+)", r"new.\1")]
    load_strictly(TwoLayers(), renamed, rules)
