from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from backend.__main__ import main
from backend.cli import packs as command
from backend.packs import installing
from backend.packs.catalogue import PublicPack, catalogue
from backend.packs.manifest import known_packs
from backend.settings import PACKS_VARIABLE
from tests.backend.jobs.running import make_packs
from tests.backend.packs.hub_server import Hub
from tests.backend.packs.miniature import CHECKPOINT, CONFIG, WEIGHTS

ROOT = Path(__file__).parents[3]


class Terminal(io.StringIO):
    """Standard input with somebody at it."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def public(pack: PublicPack, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> PublicPack:
    """The miniature pack is the one in the catalogue, and nobody sits at the terminal."""
    monkeypatch.setattr(command, "find_public_pack", lambda name: pack)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    return pack


@pytest.fixture(autouse=True)
def _own_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--packs-folder sets the variable, which ends with the test."""
    monkeypatch.setenv(PACKS_VARIABLE, str(tmp_path / "elsewhere"))


def packs(packs_folder: Path, *arguments: str) -> int:
    action, *rest = arguments
    return main(["packs", action, "--packs-folder", str(packs_folder), *rest])


def test_list_shows_what_is_there_and_what_could_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert packs(make_packs(tmp_path), "list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split()[:5] == ["nano", "installed", "2", "B", "CC0-1.0"]
    assert [line.split()[0] for line in lines[2:]] == sorted(catalogue())
    assert all(" to download " in line for line in lines[2:])


def test_a_damaged_pack_does_not_hide_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_packs(tmp_path)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "manifest.json").write_text("{")
    assert packs(tmp_path, "list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split()[:2] == ["broken", "damaged"]
    assert "Install the pack again" in lines[1]
    assert lines[2].startswith("nano ")


@pytest.mark.parametrize("name", sorted(catalogue()))
def test_show_tells_all_before_the_download(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert packs(tmp_path, "show", name) == 0
    text = capsys.readouterr().out
    pack = catalogue()[name]
    wanted = ["not installed", str(tmp_path / name), "GPU memory", "disk while installing"]
    wanted += [word for licence in pack.licences for word in (licence.url, licence.spdx, licence.terms)]
    wanted += [word for file in pack.files for word in (file.name, f"{file.repository}/{file.path}")]
    assert [word for word in wanted if word not in text] == []


def test_show_of_what_ships(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert packs(tmp_path, "show", "nano") == 0
    assert "views.safetensors" in capsys.readouterr().out
    assert packs(tmp_path, "show", "huge") == 2
    assert "no pack 'huge'" in capsys.readouterr().err


def test_nothing_is_asked_of_the_hub_before_the_licence_is_accepted(
    public: PublicPack,
    hub: Hub,
    packs_folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert packs(packs_folder, "download", "tiny") == 2
    output = capsys.readouterr()
    assert "No commerce." in output.out
    assert "--accept-licence" in output.err
    for answer in ("n\n", "\n", "of course not\n"):
        monkeypatch.setattr(sys, "stdin", Terminal(answer))
        assert packs(packs_folder, "download", "tiny") == 2
        assert "nothing of tiny was downloaded" in capsys.readouterr().err
    assert hub.requests == []
    assert not packs_folder.exists()


def test_download_verify_remove(
    public: PublicPack,
    packs_folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    assert packs(packs_folder, "download", "tiny") == 0
    output = capsys.readouterr()
    assert "tiny is installed" in output.out
    assert "[2/3] unet/weights.safetensors" in output.err
    assert "tiny" in known_packs(packs_folder)

    assert packs(packs_folder, "verify", "tiny") == 0
    (packs_folder / "tiny" / "config.json").write_text("{}")
    assert packs(packs_folder, "verify") == 1
    assert "packs download tiny" in capsys.readouterr().err

    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert packs(packs_folder, "remove", "tiny") == 2
    assert "--yes" in capsys.readouterr().err
    monkeypatch.setattr(sys, "stdin", Terminal("no\n"))
    assert packs(packs_folder, "remove", "tiny") == 2
    assert "tiny" in known_packs(packs_folder)
    assert packs(packs_folder, "remove", "--yes", "tiny") == 0
    assert known_packs(packs_folder) == ["nano"]


def test_files_from_a_folder_need_no_hub(
    public: PublicPack, hub: Hub, packs_folder: Path, tmp_path: Path
) -> None:
    downloads = tmp_path / "downloads"
    for name in (CONFIG, WEIGHTS, CHECKPOINT):
        (downloads / name).parent.mkdir(parents=True, exist_ok=True)
        (downloads / name).write_bytes(hub.files[name])
    assert packs(packs_folder, "download", "tiny", "--accept-licence", "--from", str(downloads)) == 0
    assert hub.requests == []
    assert "tiny" in known_packs(packs_folder)


def test_ctrl_c_ends_quietly(public: PublicPack, packs_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(installing, "check_content", interrupt)
    assert packs(packs_folder, "download", "tiny", "--accept-licence") == 130
    assert known_packs(packs_folder) == ["nano"]


def test_verify_goes_on_after_a_spoilt_pack(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_packs(tmp_path)
    assert packs(tmp_path, "verify") == 0
    (tmp_path / "nano" / "config.json").write_text("[]")
    assert packs(tmp_path, "verify", "huge", "nano") == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("huge: There is no pack 'huge'")
    assert lines[1].startswith("nano: ")
    assert "the manifest wants" in lines[1]


def test_mirror_and_offline_are_the_environment_s(hub: Hub, packs_folder: Path) -> None:
    """In a process of its own, for huggingface-hub reads its environment once."""

    def run(**environment: str) -> str:
        command = [sys.executable, "-m", "backend", "packs", "download", "openlrm-mix-small"]
        done = subprocess.run(
            [*command, "--accept-licence"],
            cwd=ROOT,
            env=os.environ | {PACKS_VARIABLE: str(packs_folder)} | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
        return done.stderr

    assert "(404)" in run(HF_ENDPOINT=hub.endpoint)
    assert ("HEAD", "zxhezexin/openlrm-mix-small-1.1/config.json", None) in hub.requests
    hub.requests.clear()
    assert "HF_HUB_OFFLINE is set" in run(HF_ENDPOINT=hub.endpoint, HF_HUB_OFFLINE="1")
    assert hub.requests == []
