from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend.errors import Cancelled
from backend.jobs.messages import Advanced, Failed, FromWorker, Previewed, Stopped, Succeeded, Task
from backend.jobs.worker import PipeProgress, run_task
from backend.protocol import STAGES, JobRequest
from tests.backend.jobs.fakes import ScriptedRunner


def run(folder: Path, script: bytes, *, cancelled: bool = False) -> tuple[list[FromWorker], FromWorker]:
    """What the worker sends while it works, and its last word."""
    (folder / "image").write_bytes(script)
    work = folder / "work"
    work.mkdir()
    sent: list[FromWorker] = []
    task = Task("id", JobRequest(image="", name="chair"), folder / "image", work)
    return sent, run_task(task, ScriptedRunner(folder), sent.append, lambda: cancelled)


def test_success_names_the_finished_files(tmp_path: Path) -> None:
    sent, outcome = run(tmp_path, b"succeed")
    assert isinstance(outcome, Succeeded)
    assert sorted(outcome.files) == ["asset.glb", "views/rgb_0.png"]
    assert all(file.is_file() for file in outcome.files.values())
    stages = [message.stage for message in sent if isinstance(message, Advanced)]
    assert list(dict.fromkeys(stages)) == list(STAGES)


def test_a_preview_is_a_png_of_its_own(tmp_path: Path) -> None:
    sent, _ = run(tmp_path, b"succeed")
    previews = [message for message in sent if isinstance(message, Previewed)]
    assert [preview.name for preview in previews] == ["views/rgb_0.png", "views/rgb_1.png"]
    with Image.open(previews[0].file) as image:
        assert np.array_equal(np.asarray(image), np.full((4, 4, 3), 200, np.uint8))


def test_a_deliberate_error_keeps_its_code_and_text(tmp_path: Path) -> None:
    _, outcome = run(tmp_path, b"bad image")
    assert outcome == Failed("bad_image", "This is not an image. Choose another file.")


def test_a_bug_is_told_without_a_traceback(tmp_path: Path) -> None:
    _, outcome = run(tmp_path, b"bug")
    assert isinstance(outcome, Failed)
    assert outcome.code == "error"
    assert "ValueError: three is not four" in outcome.message
    assert "Traceback" not in outcome.message


def test_a_cancelled_job_stops_at_its_next_step(tmp_path: Path) -> None:
    sent, outcome = run(tmp_path, b"steps", cancelled=True)
    assert outcome == Stopped()
    assert sent == []


def test_small_steps_are_gathered_but_the_last_is_told(tmp_path: Path) -> None:
    sent: list[FromWorker] = []
    progress = PipeProgress(tmp_path, sent.append, lambda: False)
    for step in range(1001):
        progress.advance("textures", step / 1000)
    assert 90 <= len(sent) <= 102
    assert sent[-1] == Advanced("textures", 1.0)


def test_a_preview_notices_a_cancel_too(tmp_path: Path) -> None:
    progress = PipeProgress(tmp_path, [].append, lambda: True)
    with pytest.raises(Cancelled):
        progress.preview("views/rgb_0.png", np.zeros((2, 2, 3), np.uint8))


def test_reports_carry_their_variant(tmp_path: Path) -> None:
    sent: list[FromWorker] = []
    progress = PipeProgress(tmp_path, sent.append, lambda: False)
    for index in range(2):
        progress.begin_variant(index, 2)
        progress.advance("views", 0.0)  # as little news as possible, but of another variant
    assert sent == [Advanced("views", 0.0, 0), Advanced("views", 0.0, 1)]
