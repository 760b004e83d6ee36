from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backend.errors import PackError
from backend.models.presets import NANO, TINY, NanoPreset, read_preset, write_preset
from backend.packs.eight_bit import quantise
from backend.packs.loading import build_nano


@pytest.mark.parametrize("preset", [NANO, TINY], ids=["nano", "tiny"])
def test_what_is_written_is_read(tmp_path: Path, preset: NanoPreset) -> None:
    write_preset(preset, tmp_path / "config.json")
    assert read_preset(tmp_path / "config.json") == preset


def test_the_parts_of_a_preset_fit_together() -> None:
    for preset in (NANO, TINY):
        assert preset.denoiser.view_size == preset.reconstructor.view_size == preset.view_size
        assert preset.view_size % 8 == 0
        assert preset.coordinates.image_size == 2 * preset.view_size, "positions come at half of the image"
        assert preset.coordinates.image_size % 32 == 0, "the trunk halves five times"
        assert preset.view_distance > 0.5 * 3**0.5, "the cameras stand outside of the volume"


def test_nano_stays_within_thirty_megabytes() -> None:
    stored = [quantise(module.state_dict()) for module in build_nano(NANO).by_file().values()]
    assert sum(tensor.nbytes for tensors in stored for tensor in tensors.values()) < 30e6


def _set(path: str, value: object) -> Callable[[dict[str, Any]], None]:
    group, _, name = path.partition(".")

    def change(data: dict[str, Any]) -> None:
        if name:
            data[group][name] = value
        else:
            data[group] = value

    return change


@pytest.mark.parametrize(
    "spoil",
    [
        _set("denoiser.colour", 3),
        _set("sampling", None),
        _set("denoiser", 3),
        _set("reconstructor", [1]),
        lambda data: data.pop("coordinates"),
    ],
)
def test_a_foreign_configuration_is_a_pack_error(
    tmp_path: Path, spoil: Callable[[dict[str, Any]], None]
) -> None:
    path = tmp_path / "config.json"
    write_preset(TINY, path)
    data = json.loads(path.read_text())
    spoil(data)
    path.write_text(json.dumps(data))
    with pytest.raises(PackError, match=r"config\.json is no configuration.*Install the pack"):
        read_preset(path)


@pytest.mark.parametrize("text", [None, "", "{", "[]", "\xff"])
def test_an_unreadable_configuration_is_a_pack_error(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "config.json"
    if text is not None:
        path.write_bytes(text.encode("latin-1"))
    with pytest.raises(PackError, match=r"config\.json"):
        read_preset(path)
