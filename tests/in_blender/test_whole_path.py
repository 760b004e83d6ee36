"""The example image through the real backend into Blender: a minute, as the README promises it."""

from __future__ import annotations

import json
from pathlib import Path

import bpy
import pytest

ROOT = Path(__file__).resolve().parents[2]
BACKEND_PYTHON = ROOT / ".bozzetto" / "environment" / "bin" / "python"


@pytest.mark.slow
@pytest.mark.skipif(not BACKEND_PYTHON.exists(), reason="the backend's environment is not set up")
def test_the_example_becomes_an_asset(addon: str, tmp_path: Path) -> None:
    from blender_addon import batch
    from blender_addon.backend_process import LocalBackend

    backend = LocalBackend(BACKEND_PYTHON, ROOT, tmp_path / "data")
    image = ROOT / "examples" / "jug.png"
    try:
        address = backend.start()
        options = ["--address", address, "--token-file", str(backend.token_file), "--out", str(tmp_path)]
        assert batch.main([str(image), "--faces", "2000", "--texture-size", "256", *options]) == 0
    finally:
        backend.stop()
    report = json.loads((tmp_path / "jug" / "report.json").read_text())
    assert 0 < report["faces"] <= 2000
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "jug" / "asset.blend"))
    asset = bpy.data.objects["jug"]
    assert asset.dimensions.z == pytest.approx(1.0, abs=1e-3)
    assert min((asset.matrix_world @ v.co).z for v in asset.data.vertices) == pytest.approx(0, abs=1e-4)
