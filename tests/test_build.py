from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import build
from blender_addon.errors import OutputError, SetupError


def test_the_addons_protocol_is_the_backends() -> None:
    assert (build.ADDON / "protocol.py").read_text(encoding="utf-8") == build.generated_protocol()


def test_the_zip_holds_the_addon_and_its_licence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(build, "DIST", tmp_path)
    first = build.build_addon()
    content = first.read_bytes()
    names = zipfile.ZipFile(first).namelist()
    assert {"__init__.py", "blender_manifest.toml", "scene/import_asset.py", "LICENSE"} <= set(names)
    assert not [name for name in names if "__pycache__" in name or name == "headless.py"]
    assert build.build_addon().read_bytes() == content


def fake_blender(folder: Path, text: str) -> str:
    program = folder / "blender"
    program.write_text(f"#!/bin/sh\necho '{text}'\n")
    program.chmod(0o755)
    return str(program)


def test_an_old_blender_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"is Blender 3\.6; Bozzetto needs 4\.2"):
        build.check_blender(fake_blender(tmp_path, "Blender 3.6.12"))


@pytest.mark.parametrize("version", ["Blender 4.2.0 LTS", "Blender 5.2.1 LTS", "Blender 10.0.0"])
def test_a_new_enough_blender_is_taken(tmp_path: Path, version: str) -> None:
    build.check_blender(fake_blender(tmp_path, version))


def test_what_is_no_blender_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="does not answer like Blender"):
        build.check_blender(fake_blender(tmp_path, "hello"))
    with pytest.raises(SetupError, match="cannot be run"):
        build.check_blender(str(tmp_path / "gone"))


def test_missing_libraries_are_named_with_one_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(build, "PINS", tmp_path)
    (tmp_path / "system-libraries.txt").write_text(
        "# comment\nlibc.so.6 libc6\nlibnosuch.so.1 libnosuch1\nlibnone.so.2 libnosuch1\n"
    )
    with pytest.raises(SetupError, match=r"libnosuch\.so\.1, libnone\.so\.2") as caught:
        build.check_system_libraries()
    assert str(caught.value).endswith("apt-get install -y --no-install-recommends libnosuch1")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run"], "IMAGE"),
        (["run", "a.png", "--faces", "5"], "5 is not from 100 to 200000"),
        (["run", "a.png", "--texture-size", "big"], "invalid whole number"),
        (["run", "a.png", "--seed", "-1"], "-1 is not from 0"),
        (["run", "a.png", "--colour"], "unknown arguments: --colour"),
        (["walk"], "invalid choice"),
    ],
)
def test_bad_options_end_before_any_work(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        build.main(arguments)
    assert caught.value.code == 2
    assert words in capsys.readouterr().err


def test_an_unwritable_output_folder_ends_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(OutputError):
        build.run(build.parse(["run", "a.png", "--out", str(tmp_path / "out" / "deeper")])[0])


def test_another_python_is_named() -> None:
    program = "import sys; sys.version_info = (3, 9, 1, 'final', 0); exec(open('build.py').read())"
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=build.ROOT, check=False
    )
    assert answer.returncode == 1
    assert "needs Python 3.11 and was started with 3.9" in answer.stderr


def test_a_crash_of_the_tests_counts_as_a_failure(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    crashing = tmp_path / "python"
    crashing.write_text("#!/bin/sh\nkill -SEGV $$\n")
    crashing.chmod(0o755)
    counts = {"tests": 43, "failures": 0, "errors": 0, "skipped": 0}
    assert build._pytest(crashing, [], counts) == -11
    assert counts == {"tests": 44, "failures": 0, "errors": 1, "skipped": 0}
    assert "signal 11 ended pytest" in capfd.readouterr().out


def test_pins_are_exact() -> None:
    for file in build.PINS.glob("*.txt"):
        if file.name != "system-libraries.txt":
            lines = [line for line in file.read_text().splitlines() if not line.startswith("#")]
            assert lines
            assert all("==" in line for line in lines), file.name
