"""Results that survive an interruption."""

from __future__ import annotations

from pathlib import Path

from backend.evaluation.results import Outcome, cached, code_revision


def test_stored_once_and_computed_anew_for_another_key(tmp_path: Path) -> None:
    calls = []

    def compute() -> Outcome:
        calls.append(1)
        return Outcome({"fixed/f05": 0.25 * len(calls), "views/psnr": float("nan")}, None)

    path = tmp_path / "objects" / "a" / "single_0.json"
    first = cached(path, {"seed": 0, "views": (64, 2.0)}, compute)
    again = cached(path, {"seed": 0, "views": (64, 2.0)}, compute)
    assert len(calls) == 1
    assert again.numbers["fixed/f05"] == first.numbers["fixed/f05"]
    changed = cached(path, {"seed": 1, "views": (64, 2.0)}, compute)
    assert changed.numbers["fixed/f05"] == 0.5
    assert [file.name for file in path.parent.iterdir()] == ["single_0.json"]


def test_the_codes_revision_changes_with_what_makes_an_asset_and_nothing_else(tmp_path: Path) -> None:
    def revision_with(name: str, content: str) -> str:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
        code_revision.cache_clear()
        return code_revision(tmp_path)

    first = revision_with("pipeline/mesh.py", "CELLS = 1")
    assert revision_with("pipeline/mesh.py", "CELLS = 2") != first
    assert revision_with("pipeline/mesh.py", "CELLS = 1") == first
    assert revision_with("training/loop.py", "STEPS = 1") == first
    assert revision_with("geometry/nested/deep.py", "") != first
