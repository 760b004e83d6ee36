from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from blender_addon import environment
from blender_addon.environment import Environment
from blender_addon.errors import SetupError


def pins(folder: Path, text: str) -> Path:
    file = folder / "pins.txt"
    file.write_text(text)
    return file


def test_an_environment_is_made_once_and_again_when_the_pins_change(tmp_path: Path) -> None:
    # No pins that pip could install: that is pip's business, and needs a network.
    file = pins(tmp_path, "# nothing\n")
    made = Environment(tmp_path / "environment", (file,), python_version=sys.version_info[:2])
    assert not made.is_current()

    said: list[tuple[str, float]] = []
    made.make(lambda text, fraction: said.append((text, fraction)), use_uv=False)
    assert made.is_current()
    assert made.python.exists()
    assert said[-1][1] == 1.0
    assert [fraction for _, fraction in said] == sorted(fraction for _, fraction in said)

    tests = tmp_path / "tests.txt"
    tests.write_text("# nothing more\n")
    with_tests = replace(made, requirements=(file, tests))
    assert not with_tests.is_current()
    with_tests.make(lambda *_: None, use_uv=False)
    assert with_tests.is_current()
    assert made.is_current()

    file.write_text("./no-such-folder-of-a-package\n")
    assert not made.is_current()
    with pytest.raises(SetupError, match="no-such-folder-of-a-package"):
        made.make(lambda *_: None, use_uv=False)
    assert not made.is_current()


def test_a_missing_requirement_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"gone\.txt is missing"):
        Environment(tmp_path / "environment", (tmp_path / "gone.txt",)).make(lambda *_: None)


def test_no_suitable_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SetupError, match=r"needs Python 3\.1 or uv"):
        environment.find_python((3, 1))


def test_a_cpu_gets_the_cpu_build_of_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "has_nvidia_gpu", lambda: False)
    monkeypatch.setattr(sys, "platform", "linux")
    choices = environment.torch_choices("torch==2.13.0")
    assert choices[0] == ["torch==2.13.0+cpu"]
    assert environment.PYTORCH_CPU_INDEX in choices[1]


def test_a_gpu_gets_the_full_build_of_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "has_nvidia_gpu", lambda: True)
    assert environment.torch_choices("torch==2.13.0") == [["torch==2.13.0"]]
