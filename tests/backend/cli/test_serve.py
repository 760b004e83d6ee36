from __future__ import annotations

import os
from pathlib import Path

import pytest

from backend.__main__ import make_parser
from backend.cli.serve import read_token, settings_from
from backend.errors import AuthError, OptionError
from backend.protocol import TOKEN_VARIABLE
from backend.settings import ServerSettings

TOKEN = "0123456789abcdef"


def token_file(folder: Path, content: str = TOKEN + "\n", mode: int = 0o600) -> Path:
    path = folder / "token"
    path.write_text(content)
    path.chmod(mode)
    return path


def test_the_token_comes_from_a_private_file(tmp_path: Path) -> None:
    assert read_token(token_file(tmp_path)) == TOKEN


@pytest.mark.skipif(os.name != "posix", reason="file modes")
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o602])
def test_a_file_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(AuthError, match="chmod 600"):
        read_token(token_file(tmp_path, mode=mode))


def test_the_environment_gives_the_token_and_forgets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
    assert read_token(None) == TOKEN
    assert TOKEN_VARIABLE not in os.environ


def test_the_file_wins_and_the_environment_is_cleared_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, "x" * 20)
    assert read_token(token_file(tmp_path)) == TOKEN
    assert TOKEN_VARIABLE not in os.environ


def test_no_token_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    with pytest.raises(AuthError, match="--token-file"):
        read_token(None)


@pytest.mark.parametrize("content", ["", "short", "0123456789abcde\xe9f", "0123456789\n0123456789"])
def test_unsafe_tokens_are_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(AuthError, match="at least 16 printable"):
        read_token(token_file(tmp_path, content))


def test_a_queue_holds_at_least_one_job() -> None:
    with pytest.raises(OptionError, match="queue-limit is 0"):
        settings_from(make_parser().parse_args(["serve", "--queue-limit", "0"]))


def test_the_defaults_are_the_settings_own() -> None:
    assert settings_from(make_parser().parse_args(["serve"])) == ServerSettings()


def test_a_missing_file_is_told_how_to_make(tmp_path: Path) -> None:
    with pytest.raises(AuthError, match="token_urlsafe"):
        read_token(tmp_path / "nothing")
