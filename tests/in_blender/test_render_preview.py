"""preview.png of an asset that the reference camera saw from its narrow end."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np
import pytest

from tests.blender_addon.tiny_asset import png

PANEL = 64


@pytest.fixture
def beam(addon: str):
    """0.4 metres wide and high, 3 metres away from the camera and back."""
    bpy.ops.mesh.primitive_cube_add(size=1)
    beam = bpy.context.object
    beam.scale = (0.4, 3.0, 0.4)
    bpy.context.view_layer.update()
    yield beam
    bpy.data.objects.remove(beam)


def test_the_sides_are_whole_though_the_reference_camera_is_close(
    beam, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from blender_addon.scene import render_preview
    from blender_addon.scene.render_preview import ReferenceCamera

    monkeypatch.setattr(render_preview, "PANEL", PANEL)
    reference, target = tmp_path / "reference.png", tmp_path / "preview.png"
    reference.write_bytes(png((9, 9, 9)))
    pose = ((1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 3.0), (0.0, 0.0, 0.0, 1.0))
    # The beam's end fills 0.8 of the reference; its side would be three images wide.
    camera = ReferenceCamera(pose, focal=6.0, centre=(0.0, 0.0))
    render_preview.render_preview(beam, reference, camera, target)

    image = bpy.data.images.load(str(target))
    pixels = np.array(image.pixels, np.float32).reshape(PANEL, 5, PANEL, 4)[..., 0]
    bpy.data.images.remove(image)
    shown = pixels < 0.9
    assert shown[:, 1].any(axis=0).mean() > 0.7, "the reference camera's picture is as the reference was"
    for side in (2, 3, 4):
        panel = shown[:, side]
        edge = np.concatenate([panel[0], panel[-1], panel[:, 0], panel[:, -1]])
        assert panel.any()
        assert not edge.any(), f"panel {side} is cut off"
    for side in (2, 4):
        width, height = shown[:, side].any(axis=0).sum(), shown[:, side].any(axis=1).sum()
        assert 0.8 * PANEL < width < PANEL
        assert width > 4 * height
