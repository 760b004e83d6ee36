from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from backend.__main__ import main

ROOT = Path(__file__).parents[2]


def run_main(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str]:
    """Exit code and standard error."""
    try:
        code = main(argv)
    except SystemExit as error:
        code = int(error.code or 0)
    return code, capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (["--seed", "-1"], "seed is -1: it must be a whole number from 0 to 2147483647."),
        (["--seed", "x"], "seed is 'x': it must be a whole number from 0 to 2147483647."),
        (["--faces", "99"], "faces is 99: it must be a whole number from 100 to 200000."),
        (["--faces", "1e4"], "faces is '1e4': it must be a whole number"),
        (["--texture-size", "9999"], "texture_size is 9999: it must be a whole number from 64 to 4096."),
        (["--height", "nan"], "height_metres is nan: it must be a number from 0.001 to 1000."),
        (["--guidance", "-0.5"], "guidance is -0.5: it must be a number from 0 to 30."),
        (["--pack", "huge"], "There is no pack 'huge'. Choose one of:"),
        (["--route", "lrm"], "route is 'lrm', but the pack 'nano' goes the route 'multiview'."),
        (["--route", "sideways"], "argument --route: invalid choice: 'sideways'"),
    ],
)
def test_bad_options_say_what_is_allowed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, flags: list[str], text: str
) -> None:
    code, errors = run_main(capsys, "generate", "a.png", "--out", str(tmp_path / "out"), *flags)
    assert code == 2
    assert text in errors
    assert "Traceback" not in errors
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("argv", [[], ["nothing"], ["generate"], ["generate", "a.png"], ["packs"]])
def test_unusable_commands_end_with_two(capsys: pytest.CaptureFixture[str], argv: list[str]) -> None:
    code, errors = run_main(capsys, *argv)
    assert code == 2
    assert "usage:" in errors


@pytest.mark.parametrize("name", ["train", "evaluate"])
def test_training_and_evaluation_get_the_rest_of_the_line(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from types import ModuleType

    package = {"train": "training", "evaluate": "evaluation"}[name]
    module = ModuleType(f"backend.{package}.__main__")
    module.main = lambda argv: 7 if argv == ["--steps", "3"] else 1
    monkeypatch.setitem(sys.modules, f"backend.{package}.__main__", module)
    assert main([name, "--steps", "3"]) == 7


def test_help_comes_without_torch() -> None:
    code = (
        "import sys\nfrom backend.__main__ import make_parser\nmake_parser().format_help()\n"
        "import backend.api.server, backend.jobs.pipeline_runner\n"
        "sys.exit(any(name in sys.modules for name in ('torch', 'numpy', 'backend.pipeline')))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
