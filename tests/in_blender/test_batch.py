from __future__ import annotations

import json
from pathlib import Path

import bpy
import pytest

from tests.blender_addon.stand_in import TOKEN, StandIn
from tests.blender_addon.tiny_asset import png

EXPECTED = {
    *("asset.blend", "asset.glb", "preview.png", "report.json", "foreground.png"),
    *(f"maps/{kind}.png" for kind in ("base_color", "roughness", "metallic", "normal")),
    *(f"views/{kind}_{index}.png" for kind in ("rgb", "normal") for index in range(6)),
}


PANEL = 48


@pytest.fixture(autouse=True)
def small_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blender_addon.scene.render_preview.PANEL", PANEL)


@pytest.fixture
def run(addon: str, backend: StandIn, tmp_path: Path):
    from blender_addon import batch

    token = tmp_path / "token"
    token.write_text(TOKEN)
    for name in ("chair", "lamp"):
        (tmp_path / f"{name}.png").write_bytes(png((9, 9, 9)))

    def run(*arguments: str, out: Path = tmp_path / "out") -> int:
        images = [a if a.startswith("-") or a.isdigit() else str(tmp_path / a) for a in arguments]
        backend_options = ["--address", backend.address, "--token-file", str(token)]
        return batch.main([*images, "--out", str(out), *backend_options])

    return run


def files_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_every_file_is_written(run, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run("chair.png", "--seed", "5") == 0
    folder = tmp_path / "out" / "chair"
    assert files_in(folder) == EXPECTED
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["chair"]
    assert json.loads((folder / "report.json").read_text())["pack"] == "nano"
    said = capfd.readouterr().err
    assert "views" in said
    assert str(folder) in said


def test_the_blend_opens_with_packed_textures_and_parameters(run, tmp_path: Path) -> None:
    run("chair.png", "--seed", "5")
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "out" / "chair" / "asset.blend"))
    asset = bpy.data.objects["chair"]
    assert asset["bozzetto_seed"] == 5
    textures = [image for image in bpy.data.images if image.name.startswith("chair")]
    assert len(textures) == 3
    assert all(image.packed_file for image in textures)


def test_variants_are_kept_and_the_best_is_in_the_scene(run, backend: StandIn, tmp_path: Path, capfd) -> None:
    own = dict(backend.files)
    backend.files |= {f"variant_00/{name}": data for name, data in own.items()}
    report = json.loads(own["report.json"]) | {"seed": 6}
    backend.files["report.json"] = json.dumps(report).encode()
    assert run("chair.png", "--seed", "5", "--variants", "2") == 0
    assert backend.requests[-1]["variants"] == 2
    folder = tmp_path / "out" / "chair"
    assert files_in(folder) == EXPECTED | {f"variant_00/{name}" for name in own}
    bpy.ops.wm.open_mainfile(filepath=str(folder / "asset.blend"))
    assert bpy.data.objects["chair"]["bozzetto_seed"] == 6
    assert "views (1 of 2)" in capfd.readouterr().err


def test_the_preview_shows_five_pictures(run, tmp_path: Path) -> None:
    run("chair.png")
    image = bpy.data.images.load(str(tmp_path / "out" / "chair" / "preview.png"))
    assert tuple(image.size) == (5 * PANEL, PANEL)
    pixels = list(image.pixels)
    for panel in range(1, 5):
        middle = (PANEL // 2 * image.size[0] + panel * PANEL + PANEL // 2) * 4
        red, green, blue = pixels[middle : middle + 3]
        assert red > green > blue, "the cube is orange from every side"
    corner = (2 * image.size[0] + PANEL + 2) * 4
    assert pixels[corner] == pytest.approx(pixels[corner + 2], abs=0.02), "and the background grey"


def test_one_failing_image_does_not_stop_the_others(run, tmp_path: Path, capfd) -> None:
    (tmp_path / "empty.png").touch()
    assert run("gone.png", "empty.png", "lamp.png") == 1
    said = capfd.readouterr().err
    assert "gone.png: failed:" in said
    assert "empty.png: failed:" in said
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["lamp"]


def test_a_failed_job_leaves_the_earlier_result(run, backend: StandIn, tmp_path: Path) -> None:
    run("chair.png")
    backend.error = ("no_foreground", "No object was found.")
    assert run("chair.png") == 1
    assert files_in(tmp_path / "out" / "chair") == EXPECTED
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["chair"]


def test_unknown_pack_ends_before_any_work(run, backend: StandIn, capfd) -> None:
    assert run("chair.png", "--pack=huge") == 2
    assert "no pack 'huge'. Known packs: nano" in capfd.readouterr().err
    assert backend.requests == []


def test_two_images_of_one_name_get_a_folder_each(addon: str) -> None:
    from blender_addon.batch import folder_names

    images = [Path("a/chair.png"), Path("b/Chair.jpg"), Path("chair_2.png"), Path("lamp.png")]
    assert folder_names(images) == ["chair", "Chair_2", "chair_2_2", "lamp"]


def test_an_unwritable_folder_ends_before_any_work(run, backend: StandIn, tmp_path: Path, capfd) -> None:
    (tmp_path / "file").touch()
    assert run("chair.png", out=tmp_path / "file") == 2
    assert "cannot be written" in capfd.readouterr().err
    assert backend.requests == []


def test_a_wrong_token_is_one_clear_line(addon: str, backend: StandIn, tmp_path: Path, capfd) -> None:
    from blender_addon import batch

    (tmp_path / "token").write_text("another token")
    image = tmp_path / "chair.png"
    image.write_bytes(png((9, 9, 9)))
    options = ["--out", str(tmp_path / "out"), "--address", backend.address]
    assert batch.main([str(image), *options, "--token-file", str(tmp_path / "token")]) == 2
    assert capfd.readouterr().err.strip().splitlines()[-1].startswith("bozzetto: The backend at")
