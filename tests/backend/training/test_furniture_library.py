"""Sweet Home 3D's furniture libraries as training assets."""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend.errors import OptionError
from backend.training import __main__ as command
from backend.training.assets import load_model
from backend.training.furniture_library import import_libraries
from backend.training.render_dataset import list_sources, read_index

CATALOGUE = """# a comment
id=Tests
license=CC0

name#1=Shelf
category#1=Living room
creator#1=Ann
model#1=/lib/shelf/shelf.obj
width#1=10

name#2=Painted box
category#2=Doors and windows
creator#2=Ben
model#2=/lib/box/box.obj
modelRotation#2=1 0 0 0 0 1 0 -1 0

name#3=Leaf
category#3=Exterior
creator#3=Ann
model#3=/lib/leaf/leaf.obj

name#4=Carpet
category#4=Bedroom
creator#4=Ann
model#4=/lib/carpet/carpet.obj

name#5=In another format
category#5=Office
creator#5=Ann
model#5=/lib/other.3ds
"""


def box(size: tuple[float, float, float], material: str, *, mapped: bool = False) -> str:
    """A box from the origin as OBJ; with texture coordinates if `mapped`."""
    x, y, z = size
    corners = [(i * x, j * y, k * z) for i in (0, 1) for j in (0, 1) for k in (0, 1)]
    sides = [(1, 2, 4, 3), (5, 7, 8, 6), (1, 5, 6, 2), (3, 4, 8, 7), (1, 3, 7, 5), (2, 6, 8, 4)]
    lines = ["mtllib m.mtl", f"usemtl {material}", *(f"v {a} {b} {c}" for a, b, c in corners)]
    if mapped:
        lines += ["vt 0 0", "vt 1 0", "vt 1 1", "vt 0 1"]
    for side in sides:
        refs = [f"{v}/{t}" if mapped else str(v) for t, v in enumerate(side, start=1)]
        lines.append("f " + " ".join(refs))
    return "\n".join(lines) + "\n"


def png(pixels: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """Two usable models, a cut-out, a carpet, and one in a format that is not read."""
    see_through = np.full((8, 8, 4), 200)
    see_through[:4, :, 3] = 0
    path = tmp_path / "Tests.sh3f"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("PluginFurnitureCatalog.properties", CATALOGUE)
        archive.writestr("lib/shelf/shelf.obj", box((2, 4, 1), "dark"))
        archive.writestr("lib/shelf/m.mtl", "newmtl dark\nKd 0.2 0.4 0.0\n")
        archive.writestr("lib/box/box.obj", box((1, 2, 8), "paint", mapped=True))
        archive.writestr("lib/box/m.mtl", "newmtl paint\nKd 0.5 1 1\nmap_Kd t.png\n")
        archive.writestr("lib/box/t.png", png(np.full((600, 300, 3), (200, 100, 50))))
        archive.writestr("lib/leaf/leaf.obj", box((1, 1, 1), "leaf", mapped=True))
        archive.writestr("lib/leaf/m.mtl", "newmtl leaf\nKd 1 1 1\nmap_Kd t.png\n")
        archive.writestr("lib/leaf/t.png", png(see_through))
        archive.writestr("lib/carpet/carpet.obj", box((1, 0.001, 1), "dark"))
    return path


def test_models_come_centred_upright_and_in_their_colours(tmp_path: Path, library: Path) -> None:
    out = tmp_path / "out"
    assert import_libraries([library], out) == 2
    assert {path.name for path in out.iterdir()} == {"index.csv", "Tests__shelf.glb", "Tests__box.glb"}
    shelf, painted = load_model(out / "Tests__shelf.glb"), load_model(out / "Tests__box.glb")
    assert shelf.bounds() == pytest.approx(np.array([[-0.25, -0.5, -0.125], [0.25, 0.5, 0.125]]), abs=1e-6)
    # Its own z is the catalogue's y.
    assert painted.bounds()[1] == pytest.approx([0.0625, 0.5, 0.125], abs=1e-6)
    (part,) = shelf.parts
    assert part.texture is None
    # sRGB .2 and .4 in linear light (IEC 61966-2-1), in steps of 1/255.
    assert part.colour[0, 0] == pytest.approx([0.0331, 0.1329, 0.0], abs=0.003)
    (part,) = painted.parts
    assert part.texture is not None
    assert part.texture.shape == (256, 128, 3)
    assert part.texture[0, 0] == pytest.approx([100, 100, 50], abs=1)


def test_faces_that_meet_at_right_angles_stay_flat(tmp_path: Path, library: Path) -> None:
    import_libraries([library], tmp_path / "out")
    (part,) = load_model(tmp_path / "out" / "Tests__shelf.glb").parts
    flat = np.cross(part.positions[:, 1] - part.positions[:, 0], part.positions[:, 2] - part.positions[:, 0])
    flat /= np.linalg.norm(flat, axis=-1, keepdims=True)
    assert (part.normals * flat[:, None]).sum(-1) == pytest.approx(1.0, abs=1e-3)


def test_the_index_is_what_training_reads(tmp_path: Path, library: Path) -> None:
    import_libraries([library], tmp_path / "out")
    rows = read_index(tmp_path / "out")
    assert [(row["name"], row["category"], row["pack"], row["licence"]) for row in rows] == [
        ("Shelf", "Living room", "Tests Ann", "CC0"),
        ("Painted box", "modular", "Tests Ben", "CC0"),
    ]
    sources = list_sources([tmp_path / "out"], 0.0, np.random.default_rng(1))
    assert all(source.path is not None and source.path.exists() for source in sources)


def test_what_is_no_library_is_refused(
    tmp_path: Path, library: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "text.sh3f"
    text.write_text("no archive")
    with pytest.raises(OptionError, match="is not a furniture library"):
        import_libraries([library, text], tmp_path / "out")
    assert not (tmp_path / "out").exists()
    empty = tmp_path / "empty.sh3f"
    with zipfile.ZipFile(empty, "w") as archive:
        archive.writestr("readme.txt", "")
    with pytest.raises(OptionError, match=r"no PluginFurnitureCatalog\.properties"):
        import_libraries([empty], tmp_path / "out")
    assert command.main(["furniture", "--libraries", str(text)]) == 1
    assert "--out DIR" in capsys.readouterr().err


def test_the_command_tells_what_it_wrote(
    tmp_path: Path, library: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert command.main(["furniture", "--libraries", str(library), "--out", str(out)]) == 0
    assert f"Wrote 2 models to {out}." in capsys.readouterr().out
    with (out / "index.csv").open(newline="") as file:
        assert len(list(csv.reader(file))) == 3
