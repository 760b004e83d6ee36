from __future__ import annotations

import sys
from pathlib import Path

import pytest

from backend.settings import PACKS_VARIABLE, user_packs_folder


@pytest.mark.parametrize(
    ("platform", "environment", "folder"),
    [
        ("linux", {}, ".local/share/bozzetto/packs"),
        ("linux", {"XDG_DATA_HOME": "/data"}, "/data/bozzetto/packs"),
        ("darwin", {}, "Library/Application Support/bozzetto/packs"),
        ("win32", {"LOCALAPPDATA": "/users/me/local"}, "/users/me/local/bozzetto/packs"),
        ("win32", {}, "AppData/Local/bozzetto/packs"),
        ("linux", {PACKS_VARIABLE: "/large/disk", "XDG_DATA_HOME": "/data"}, "/large/disk"),
    ],
)
def test_packs_lie_where_the_platform_keeps_data_or_where_one_says(
    platform: str, environment: dict[str, str], folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (PACKS_VARIABLE, "XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert user_packs_folder() == tmp_path / folder
