"""Folders of models in other programs' formats as training assets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from backend.errors import OptionError
from backend.training import __main__ as command
from backend.training.assets import load_model
from backend.training.imported_models import creased_normals
from backend.training.model_folder import import_folder
from backend.training.render_dataset import read_index

SIDES = ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3))
"""Of a box whose corner i has its x, y and z in the bits 4, 2 and 1; seen from outside."""
CORNERS = ((0, 0), (1, 0), (1, 1), (0, 1))


def ac3d(*boxes: str, colour: str = "1 1 1") -> str:
    """A file of AC3D (inivis.com/ac3d/man/ac3dfileformat.html) with a solid and a see-through material."""
    head = [
        "AC3Db",
        f'MATERIAL "paint" rgb {colour} amb 1 1 1 emis 0 0 0 spec 0 0 0 shi 0 trans 0',
        'MATERIAL "glass" rgb 1 1 1 amb 1 1 1 emis 0 0 0 spec 0 0 0 shi 0 trans 0.9',
        "OBJECT world",
        f"kids {len(boxes)}",
    ]
    return "\n".join([*head, *boxes]) + "\n"


def box(
    low: tuple[float, float, float],
    high: tuple[float, float, float],
    *,
    material: int = 0,
    texture: str | None = None,
) -> str:
    ends = (low, high)
    points = [" ".join(str(ends[(i >> 2 - axis) & 1][axis]) for axis in range(3)) for i in range(8)]
    lines = [
        "OBJECT poly",
        'name "box"',
        *([f'texture "{texture}"'] if texture else []),
        "numvert 8",
        *points,
    ]
    lines.append("numsurf 6")
    for side in SIDES:
        lines += ["SURF 0x0", f"mat {material}", "refs 4"]
        lines += [f"{vertex} {u} {v}" for vertex, (u, v) in zip(side, CORNERS, strict=True)]
    return "\n".join([*lines, "kids 0"])


def save_texture(path: Path, *, see_through: bool = False) -> None:
    pixels = np.full((300, 600, 4), (200, 100, 50, 255), dtype=np.uint8)
    pixels[150:, :, 3] = 0 if see_through else 255
    Image.fromarray(pixels).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two usable models, one of them in two liveries, and one of each kind that is left out."""
    home = tmp_path / "Game"
    ships = home / "Boats" / "Ships"
    ships.mkdir(parents=True)
    mast = box((1, 1, 0.5), (1.1, 3, 0.6), texture="HULL.rgb")
    hull = box((0, 0, 0), (4, 1, 1), texture="HULL.rgb")
    (ships / "ship.ac").write_text(ac3d(hull, mast))
    (ships / "ship-red.ac").write_text(ac3d(hull, mast, colour="1 0 0"))
    save_texture(ships / "hull.png")
    halo = box((-9, -9, -9), (9, 9, 9), material=1)
    lamp = (box((0, 0, 0), (1, 8, 1)), box((0, 8, 0), (1, 9, 4)))
    (home / "lamp.ac").write_text(ac3d(*lamp, halo, colour="0.2 0.4 0"))
    (home / "crate.ac").write_text(ac3d(box((0, 0, 0), (1, 1, 1))))
    save_texture(home / "leaf.png", see_through=True)
    leaves = [box((i, 0, 0), (i + 1, 1, 1), texture="leaf.png") for i in (0, 2)]
    (home / "tree.ac").write_text(ac3d(*leaves))
    (home / "carpet.ac").write_text(ac3d(*(box((i, 0, 0), (i + 1, 0.001, 1)) for i in (0, 2))))
    (home / "broken.md2").write_text("no model")
    (home / "readme.txt").write_text("no model either")
    return home


def test_models_come_centred_upright_and_in_their_colours(tmp_path: Path, folder: Path) -> None:
    out = tmp_path / "out"
    result = import_folder(folder, out, licence="GPL-2.0-or-later")
    assert result.written == 2
    assert result.left_out == {
        "of the same shape": 1,
        "of too few or too many faces": 1,
        "with cut-outs": 1,
        "flat": 1,
        "unreadable": 1,
    }
    # The halo, which would have been the larger part, is not there.
    lamp = load_model(out / "lamp_ac.glb")
    assert lamp.bounds() == pytest.approx(np.array([[-1 / 18, -0.5, -2 / 9], [1 / 18, 0.5, 2 / 9]]), abs=1e-6)
    # sRGB .2 and .4 in linear light (IEC 61966-2-1), in steps of 1/255.
    assert lamp.parts[0].colour[0, 0] == pytest.approx([0.0331, 0.1329, 0.0], abs=0.003)
    ship = load_model(out / "Boats_Ships_ship_red_ac.glb")
    assert ship.bounds() == pytest.approx(np.array([[-0.5, -0.375, -0.125], [0.5, 0.375, 0.125]]), abs=1e-6)
    texture = ship.parts[0].texture
    assert texture is not None
    assert texture.shape == (128, 256, 3)
    assert texture[0, 0] == pytest.approx([200, 0, 0], abs=1)


def test_the_index_is_what_training_reads(tmp_path: Path, folder: Path) -> None:
    import_folder(folder, tmp_path / "out", licence="GPL-2.0-or-later")
    assert read_index(tmp_path / "out") == [
        {
            "file": "Boats_Ships_ship_red_ac.glb",
            "name": "ship-red",
            "category": "Boats",
            "source_repo": "Game",
            "licence": "GPL-2.0-or-later",
            "pack": "Game/Boats/Ships",
        },
        {
            "file": "lamp_ac.glb",
            "name": "lamp",
            "category": "",
            "source_repo": "Game",
            "licence": "GPL-2.0-or-later",
            "pack": "Game",
        },
    ]


def test_names_that_differ_in_their_punctuation_only_are_kept_apart(tmp_path: Path) -> None:
    home = tmp_path / "Game"
    home.mkdir()
    for name, height in (("a-b", 1), ("a_b", 2)):
        (home / f"{name}.ac").write_text(ac3d(*(box((i, 0, 0), (i + 1, height, 1)) for i in (0, 2))))
    assert import_folder(home, tmp_path / "out", licence="CC0-1.0").written == 2
    rows = read_index(tmp_path / "out")
    assert [row["name"] for row in rows] == ["a-b", "a_b"]
    heights = [np.ptp(load_model(tmp_path / "out" / row["file"]).bounds()[:, 1]) for row in rows]
    assert heights == pytest.approx([1 / 3, 2 / 3], abs=1e-6)


def test_a_texture_lies_on_its_side_of_a_box(tmp_path: Path) -> None:
    """Upper half red, lower half blue; v counts upwards in AC3D as it does in `Part`."""
    home = tmp_path / "Game"
    home.mkdir()
    pixels = np.zeros((8, 8, 3), dtype=np.uint8)
    pixels[:4, :, 0] = 255
    pixels[4:, :, 2] = 255
    Image.fromarray(pixels).save(home / "t.png")
    boxes = [box((i, 0, 0), (i + 1, 1, 1), texture="t.png") for i in (0, 2)]
    (home / "two.ac").write_text(ac3d(*boxes))
    import_folder(home, tmp_path / "out", licence="CC0-1.0")
    samples = load_model(tmp_path / "out" / "two_ac.glb").sample_surface(4000, np.random.default_rng(1))
    # The sides towards -x map z along u and y along v.
    side, height = samples.normals[:, 0] < -0.9, samples.points[:, 1]
    upper, lower = samples.albedo[side & (height > 0.02)], samples.albedo[side & (height < -0.02)]
    assert len(upper) > 100
    assert upper == pytest.approx(np.tile([1.0, 0, 0], (len(upper), 1)), abs=0.01)
    assert lower == pytest.approx(np.tile([0, 0, 1.0], (len(lower), 1)), abs=0.01)


def test_models_that_stand_on_z_are_set_upright(tmp_path: Path) -> None:
    """An STL has neither colour nor a word on its axes; its normals turn with it."""
    home = tmp_path / "Scans"
    home.mkdir()
    tower = trimesh.creation.cone(radius=1, height=4)  # its tip on +Z
    tower.export(home / "tower.stl")
    import_folder(home, tmp_path / "out", licence="CC-BY-4.0", z_up=True)
    model = load_model(tmp_path / "out" / "tower_stl.glb")
    corners = model.triangles.reshape(-1, 3)
    assert corners[corners[:, 1].argmax()] == pytest.approx([0, 0.5, 0], abs=1e-6)
    assert np.abs(corners[:, [0, 2]]).max() == pytest.approx(0.25, abs=1e-3)
    (part,) = model.parts
    underside = part.positions[..., 1].max(1) < -0.49
    assert underside.any()
    assert part.normals[underside] == pytest.approx(
        np.broadcast_to([0, -1, 0], part.normals[underside].shape), abs=1e-3
    )


def test_normals_blend_below_the_crease_and_not_above() -> None:
    """Two faces folded by 30 degrees share a normal along the fold; by 60 they keep their own."""

    def fold(degrees: float) -> np.ndarray:
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        vertices = np.array([[0, 0, 0], [0, 0, 1.0], [-1, 0, 0], [0, 0, 0], [0, 0, 1.0], [c, -s, 0]])
        return creased_normals(vertices, np.array([[0, 2, 1], [3, 4, 5]]))

    soft, hard = fold(30), fold(60)
    flat, bent = np.array([0, 1.0, 0]), np.array([np.sin(np.radians(60)), 0.5, 0])
    assert hard == pytest.approx(np.array([flat, flat, flat, bent, bent, bent]), abs=1e-9)
    along = np.array([np.sin(np.radians(15)), np.cos(np.radians(15)), 0])
    assert soft[[0, 2, 3, 4]] == pytest.approx(np.tile(along, (4, 1)), abs=1e-9)
    assert soft[1] == pytest.approx(flat, abs=1e-9)


def test_a_folder_without_models_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(OptionError, match="holds no models"):
        import_folder(tmp_path, tmp_path / "out", licence="CC0-1.0")
    assert not (tmp_path / "out").exists()
    assert command.main(["models", "--models", str(tmp_path)]) == 1
    assert "--out DIR" in capsys.readouterr().err


def test_the_command_tells_what_it_wrote(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    arguments = ["models", "--models", str(folder), "--licence", "GPL-2.0-or-later", "--out", str(out)]
    assert command.main(arguments) == 0
    assert (
        f"Wrote 2 models to {out}; left out: 1 flat, 1 of the same shape, 1 of too few or too many faces, "
        "1 unreadable, 1 with cut-outs.\n"
    ) in capsys.readouterr().out
