from __future__ import annotations

from pathlib import Path

import pytest

from blender_addon.errors import OutputError
from blender_addon.output_folder import make_writable, whole_or_nothing


def test_the_folder_appears_whole(tmp_path: Path) -> None:
    with whole_or_nothing(tmp_path / "chair") as folder:
        (folder / "asset.glb").write_bytes(b"new")
        assert not (tmp_path / "chair").exists()
    assert (tmp_path / "chair" / "asset.glb").read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["chair"]


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "chair").mkdir()
    (tmp_path / "chair" / "asset.glb").write_bytes(b"old")

    def fail() -> None:
        with whole_or_nothing(tmp_path / "chair") as folder:
            (folder / "asset.glb").write_bytes(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert (tmp_path / "chair" / "asset.glb").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["chair"]


def test_a_new_result_replaces_the_old_one_entirely(tmp_path: Path) -> None:
    (tmp_path / "chair").mkdir()
    (tmp_path / "chair" / "left over").touch()
    with whole_or_nothing(tmp_path / "chair") as folder:
        (folder / "asset.glb").touch()
    assert [path.name for path in (tmp_path / "chair").iterdir()] == ["asset.glb"]


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(OutputError, match="--out"):
        make_writable(tmp_path / "out")


def test_a_folder_is_made(tmp_path: Path) -> None:
    make_writable(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []
