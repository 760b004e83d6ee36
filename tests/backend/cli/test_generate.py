from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from backend.cli.generate import generate
from backend.errors import Cancelled, OptionError, OutputError, PackError
from backend.jobs.runner import JobProgress
from backend.protocol import STAGES, JobRequest
from tests.backend.jobs.fakes import ScriptedRunner, make_files


class CountingRunner(ScriptedRunner):
    """Notes which packs are loaded."""

    def __init__(self, scratch: Path) -> None:
        super().__init__(scratch)
        self.loaded: list[str] = []

    def load(self, pack: str) -> None:
        self.loaded.append(pack)


class InterruptedRunner(ScriptedRunner):
    """Makes variants of which the second meets a Ctrl-C; keeps the first, as the pipeline does."""

    keeps: bool = True

    def run(self, image: bytes, request: JobRequest, folder: Path, progress: JobProgress) -> list[Path]:
        first = make_files(request, folder, progress) if self.keeps else []
        progress.begin_variant(1, request.variants)
        os.kill(os.getpid(), signal.SIGINT)
        try:
            progress.advance("views", 0.5)
        except Cancelled:
            if not first:
                raise
        return first


class PacklessRunner(ScriptedRunner):
    def load(self, pack: str) -> None:
        raise PackError("Restore the pack.")


def image(folder: Path, name: str, script: bytes = b"succeed") -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(script)
    return path


def test_each_image_gets_its_folder_and_the_pack_is_loaded_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runner = CountingRunner(tmp_path)
    images = [image(tmp_path, "a/chair.png"), image(tmp_path, "b/chair.png"), image(tmp_path, "lamp.png")]
    out = tmp_path / "out"
    assert generate(images, out, JobRequest(image="", seed=4), runner) == 0
    assert runner.loaded == ["nano"]
    assert sorted(os.listdir(out)) == ["chair", "chair_2", "lamp"]
    assert (out / "chair_2" / "asset.glb").read_bytes() == b"asset.glb of chair_2, seed 4"
    printed = capsys.readouterr()
    assert printed.out.split() == [str(out / name) for name in ("chair", "chair_2", "lamp")]
    assert [line for line in printed.err.splitlines() if "lamp" in line] == [f"lamp: {s}" for s in STAGES]


def test_failing_images_cost_one_line_each_and_the_others_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = [
        image(tmp_path, "broken.png", b"bad image"),
        image(tmp_path, "bug.png", b"bug"),
        tmp_path / "missing.png",
        tmp_path,
        image(tmp_path, "x" * 130 + ".png"),
        image(tmp_path, "good.png"),
    ]
    out = tmp_path / "out"
    assert generate(images, out, JobRequest(image=""), ScriptedRunner(tmp_path)) == 1
    assert os.listdir(out) == ["good"]
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith(str(tmp_path))]
    assert len(errors) == 5
    texts = (
        "This is not an image",
        "ValueError: three is not four",
        "No such file",
        "Is a directory",
        "Rename",
    )
    assert all(text in line for text, line in zip(texts, errors, strict=True))


@pytest.mark.parametrize("options", [{"faces": 1}, {"seed": -1}, {"texture_size": 3}])
def test_bad_options_stop_before_any_work(tmp_path: Path, options: dict[str, int]) -> None:
    with pytest.raises(OptionError, match="it must be a whole number from"):
        generate(
            [image(tmp_path, "a.png")],
            tmp_path / "out",
            JobRequest(image="", **options),
            ScriptedRunner(tmp_path),
        )
    assert not (tmp_path / "out").exists()


def test_an_unwritable_folder_stops_before_any_work(tmp_path: Path) -> None:
    runner = CountingRunner(tmp_path)
    with pytest.raises(OutputError):
        generate([image(tmp_path, "a.png")], tmp_path / "a.png" / "out", JobRequest(image=""), runner)
    assert runner.loaded == []


def test_a_spoilt_pack_stops_before_any_image(tmp_path: Path) -> None:
    with pytest.raises(PackError):
        generate([image(tmp_path, "a.png")], tmp_path / "out", JobRequest(image=""), PacklessRunner(tmp_path))
    assert os.listdir(tmp_path / "out") == []


@pytest.mark.parametrize("keeps", [True, False])
def test_an_interrupt_keeps_finished_variants_and_stops(tmp_path: Path, keeps: bool) -> None:
    runner = InterruptedRunner(tmp_path)
    runner.keeps = keeps
    images = [image(tmp_path, "a.png"), image(tmp_path, "b.png")]
    handler = signal.getsignal(signal.SIGINT)  # a shell's background job ignores interrupts
    with pytest.raises(KeyboardInterrupt):
        generate(images, tmp_path / "out", JobRequest(image="", variants=3), runner)
    assert os.listdir(tmp_path / "out") == (["a"] if keeps else [])
    assert signal.getsignal(signal.SIGINT) is handler
