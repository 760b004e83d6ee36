"""Making the Python environments in which the backend (and, for build.py, Blender's module) runs.

Standard library only, so that build.py and the add-on's "Set up backend" button share it. An environment
is made with uv where uv is installed, otherwise with venv and pip; a stamp records what it was made from,
so that a second look costs milliseconds.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .errors import SetupError

Report = Callable[[str, float], None]
"""Called with what is being done now and with the fraction done, in [0, 1]."""

PYTHON_VERSION = (3, 11)
PYTORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"
_STAMP = "bozzetto-requirements.sha256"
_PINNED = re.compile(r"^([A-Za-z0-9._-]+)==", re.MULTILINE)
_INSTALLING = re.compile(
    r"^(?:Collecting|Requirement already satisfied:|Processing|Downloading| \+) ?([A-Za-z0-9._-]+)"
)


@dataclass(frozen=True)
class Environment:
    """A Python environment in `folder` that holds exactly what `requirements` pin."""

    folder: Path
    requirements: tuple[Path, ...]
    """Requirement files of pinned versions, together one resolution."""
    torch: Path | None = None
    """Requirement file with torch's version, if it is wanted: which build of it is decided on the machine."""
    python_version: tuple[int, int] = PYTHON_VERSION

    @property
    def python(self) -> Path:
        return self.folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    def is_current(self) -> bool:
        """Whether the environment exists and holds at least what these very requirements pin."""
        stamp = self.folder / _STAMP
        return (
            self.python.exists()
            and stamp.is_file()
            and self._fingerprints() <= set(stamp.read_text().splitlines())
        )

    def make(self, report: Report, *, use_uv: bool = True) -> None:
        """Make the environment, or bring it up to date. What an interrupted run left is used again.

        Args:
            use_uv: use uv if it is there; it can also fetch a Python.

        Raises:
            SetupError: no suitable Python, an unwritable folder, or a package that cannot be installed.
        """
        for file in self._files():
            if not file.is_file():
                raise SetupError(f"{file} is missing: the Bozzetto folder is not complete.")
        uv = shutil.which("uv") if use_uv else None
        if not self.python.exists():
            report("making the Python environment", 0.0)
            self._create(uv)
        pins = [argument for file in self.requirements for argument in ("-r", str(file))]
        choices = [[]] if self.torch is None else torch_choices(self.torch.read_text().strip())
        for last, choice in ((choice is choices[-1], choice) for choice in choices):
            try:
                self._install([*_installer(uv, self.python), *choice, *pins], report)
                break
            except SetupError:
                if last:
                    raise
        (self.folder / _STAMP).write_text("\n".join(sorted(self._fingerprints())))
        report("set up", 1.0)

    def _install(self, command: list[str], report: Report) -> None:
        wanted = {name.lower() for file in self._files() for name in _PINNED.findall(file.read_text())}
        seen: set[str] = set()
        for line in _output(command):
            if match := _INSTALLING.match(line):
                seen.add(match[1].lower())
                report("installing the packages", 0.05 + 0.75 * len(seen & wanted) / len(wanted))
            elif line.startswith("Installing collected packages"):
                report("unpacking the packages", 0.85)

    def _files(self) -> tuple[Path, ...]:
        return self.requirements if self.torch is None else (*self.requirements, self.torch)

    def _fingerprints(self) -> set[str]:
        """One for each requirement file, so that an environment with the tests' packages serves a run too."""
        machine = repr((self.python_version, self.torch is not None and has_nvidia_gpu())).encode()
        return {hashlib.sha256(machine + file.read_bytes()).hexdigest() for file in self._files()}

    def _create(self, uv: str | None) -> None:
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            message = f"{self.folder.parent} cannot be written ({error.strerror}). Choose another."
            raise SetupError(message) from error
        version = "{}.{}".format(*self.python_version)
        if uv is not None:
            command = [uv, "venv", "--python", version, str(self.folder)]
        else:
            command = [find_python(self.python_version), "-m", "venv", str(self.folder)]
        for _ in _output(command):
            pass


def find_python(version: tuple[int, int]) -> str:
    """A Python of exactly this version: the one that runs this, or one on the PATH.

    Raises:
        SetupError: there is none.
    """
    name = "{}.{}".format(*version)
    if sys.version_info[:2] == version:
        return sys.executable
    if (found := shutil.which(f"python{name}")) and _answers(found):
        return found
    raise SetupError(
        f"Bozzetto's backend needs Python {name} or uv, and neither was found. Install uv "
        "(https://docs.astral.sh/uv) or Python from https://python.org, then try again."
    )


def has_nvidia_gpu() -> bool:
    """Whether NVIDIA's own tool lists a GPU."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return False
    listing = subprocess.run([tool, "-L"], capture_output=True, text=True, check=False)
    return listing.returncode == 0 and "GPU" in listing.stdout


def torch_choices(pin: str) -> list[list[str]]:
    """Install arguments for torch, best first: the far smaller CPU build where no GPU would use another."""
    if has_nvidia_gpu() or sys.platform == "darwin":
        return [[pin]]
    return [[f"{pin}+cpu"], [f"{pin}+cpu", "--extra-index-url", PYTORCH_CPU_INDEX]]


def _answers(python: str) -> bool:
    """A pyenv shim, for one, exists for versions that are not active and then fails."""
    return subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0


def _installer(uv: str | None, python: Path) -> list[str]:
    if uv is not None:
        # PyTorch's index also has old versions of other packages; uv would look no further than those.
        return [uv, "pip", "install", "--index-strategy", "unsafe-best-match", "--python", str(python)]
    quiet = ("--no-input", "--disable-pip-version-check", "--progress-bar", "off")
    return [str(python), "-m", "pip", "install", *quiet]


def _output(command: list[str]) -> Iterator[str]:
    """The lines that a command prints, as they come. Raises SetupError with its last words when it fails."""
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONHOME", "PYTHONPATH")}
    last: list[str] = []
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        errors="replace",
        env=environment,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            last = [*last[-7:], line.rstrip()]
            yield line
    if process.returncode != 0:
        words = "\n  ".join(line for line in last if line)
        name, code = Path(command[0]).name, process.returncode
        raise SetupError(f"Setting up failed: {name} ended with {code}.\n  {words}")
