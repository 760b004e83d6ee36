from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.cli.output_folders import published_folder, require_writable, unique_names
from backend.errors import OutputError


def test_a_folder_appears_whole(tmp_path: Path) -> None:
    with published_folder(tmp_path / "chair") as folder:
        (folder / "asset.glb").touch()
        assert not (tmp_path / "chair").exists()
    assert [path.name for path in (tmp_path / "chair").iterdir()] == ["asset.glb"]
    assert os.listdir(tmp_path) == ["chair"]


def test_a_newer_result_replaces_the_older_whole(tmp_path: Path) -> None:
    (tmp_path / "chair").mkdir()
    (tmp_path / "chair" / "old").touch()
    with published_folder(tmp_path / "chair") as folder:
        (folder / "new").touch()
    assert os.listdir(tmp_path / "chair") == ["new"]
    assert os.listdir(tmp_path) == ["chair"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_everything_as_it_was(tmp_path: Path, error: type[BaseException]) -> None:
    (tmp_path / "chair").mkdir()
    (tmp_path / "chair" / "old").touch()

    def fail() -> None:
        with published_folder(tmp_path / "chair") as folder:
            (folder / "half").touch()
            raise error

    with pytest.raises(error):
        fail()
    assert os.listdir(tmp_path / "chair") == ["old"]
    assert os.listdir(tmp_path) == ["chair"]


def test_a_writable_folder_is_made_and_left_empty(tmp_path: Path) -> None:
    require_writable(tmp_path / "a" / "b")
    assert os.listdir(tmp_path / "a" / "b") == []


def test_an_unwritable_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"file/out cannot be written .*Choose another with --out"):
        require_writable(tmp_path / "file" / "out")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a read-only folder that root cannot write")
def test_a_read_only_folder_is_named() -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        require_writable(Path("/proc/self"))


def test_images_of_one_stem_get_numbers() -> None:
    images = [
        Path(name) for name in ("a/chair.png", "b/Chair.jpg", "chair_2.png", "c/chair.webp", "lamp.png")
    ]
    assert unique_names(images) == ["chair", "Chair_3", "chair_2", "chair_4", "lamp"]


@given(st.lists(st.sampled_from(["a", "A", "a_2", "a_3", "b", "A_2", "a_2_2"]), max_size=12))
def test_names_never_collide(stems: list[str]) -> None:
    images = [Path(f"{number}/{stem}.png") for number, stem in enumerate(stems)]
    names = unique_names(images)
    assert len({name.casefold() for name in names}) == len(images)
    assert all(name.startswith(stem) for name, stem in zip(names, stems, strict=True))
