from __future__ import annotations

from pathlib import Path

import pytest

from backend.cli.packs import list_packs, verify_packs
from backend.errors import PackError
from tests.backend.jobs.running import make_packs


def test_list_shows_revision_size_and_licence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert list_packs(make_packs(tmp_path)) == 0
    name, revision, size, unit, licence, *_ = capsys.readouterr().out.split()
    assert (name, len(revision), size, unit, licence) == ("nano", 12, "0.0", "MB", "CC0-1.0")


def test_verify_goes_on_after_a_spoilt_pack(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_packs(tmp_path)
    assert verify_packs([], tmp_path) == 0
    (tmp_path / "nano" / "config.json").write_text("[]")
    assert verify_packs(["huge", "nano"], tmp_path) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("huge: There is no pack 'huge'")
    assert lines[1].startswith("nano: ")
    assert "the manifest wants" in lines[1]


def test_no_packs_at_all_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PackError, match="no packs"):
        verify_packs([], tmp_path)
