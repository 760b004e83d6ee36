from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh

from backend.geometry.cameras import Cameras, orbit_cameras
from backend.training import render_dataset as subject
from backend.training.dataset import CHANNELS, REFERENCE_SIZE, VIEW_SIZE, RenderedDataset
from backend.training.procedural import random_model
from backend.training.render_dataset import (
    FILL,
    Source,
    draw_model,
    jittered_camera,
    list_sources,
    posed,
    reference_camera,
    render_reference,
    render_shard,
)
from backend.training.rendering import Renderer
from tests.backend.training.shapes import figure

SOURCES = [Source(f"procedural_{k}", "procedural", None) for k in range(2)]


@pytest.fixture
def few_points(monkeypatch: pytest.MonkeyPatch, renderer: Renderer) -> None:
    """Shards with little supervision; asks for the renderer because rendering them does."""
    small = {
        name: ((60 if "surface" in name else 120, *shape[1:]), dtype) if shape[0] > 6 else (shape, dtype)
        for name, (shape, dtype) in CHANNELS.items()
    }
    monkeypatch.setattr(subject, "CHANNELS", small)
    monkeypatch.setattr(subject, "POINTS", 120)
    monkeypatch.setattr(subject, "SURFACE_POINTS", 60)


@pytest.fixture
def cheap_samples(few_points: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Noise in place of pictures: what is tested is who renders what, and when."""

    def noise(
        model: object, renderer: object, reference_renderer: object, rng: np.random.Generator, clock: object
    ) -> dict[str, np.ndarray]:
        return {
            name: rng.integers(0, 9, shape).astype(kind) for name, (shape, kind) in subject.CHANNELS.items()
        }

    monkeypatch.setattr(subject, "render_sample", noise)


def contents(shard: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(shard.iterdir())}


def data_folder(folder: Path, rows: list[tuple[str, str, str]]) -> Path:
    folder.mkdir()
    with (folder / "index.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "pack", "category"])
        writer.writerows(rows)
    for name, _, _ in rows:
        mesh = trimesh.creation.box((1, 0.5, 0.7))
        material = trimesh.visual.material.PBRMaterial(baseColorFactor=[200, 30, 30, 255])
        mesh.visual = trimesh.visual.TextureVisuals(material=material)
        (folder / name).write_bytes(mesh.export(file_type="glb"))
    return folder


def test_a_shard_repeats_byte_for_byte(tmp_path: Path, few_points: None) -> None:
    for name in ("one", "two"):
        render_shard(tmp_path / name, 3, SOURCES, seed=7)
    first, second = (contents(tmp_path / name / "shard_0003") for name in ("one", "two"))
    assert first == second
    assert set(first) == {f"{name}.npy" for name in CHANNELS} | {"index.json"}
    render_shard(tmp_path / "one", 4, SOURCES, seed=7)
    assert contents(tmp_path / "one" / "shard_0004")["view_rgba.npy"] != first["view_rgba.npy"]


def test_a_stopped_shard_is_begun_anew_and_a_finished_one_kept(
    tmp_path: Path, cheap_samples: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    render_shard(tmp_path / "whole", 0, SOURCES, seed=1)
    folder = tmp_path / "stopped"
    real, calls = subject.render_sample, []

    def stops_at_the_second(*arguments: object) -> dict[str, np.ndarray]:
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(subject, "render_sample", stops_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        render_shard(folder, 0, SOURCES, seed=1)
    assert not list(folder.glob("shard_*"))
    render_shard(folder, 0, SOURCES, seed=1)
    assert contents(folder / "shard_0000") == contents(tmp_path / "whole" / "shard_0000")
    assert [path.name for path in folder.iterdir()] == ["shard_0000"]
    count = len(calls)
    render_shard(folder, 0, SOURCES, seed=1)
    assert len(calls) == count, "a finished shard was rendered again"


def test_workers_share_the_shards_and_agree_on_the_order(tmp_path: Path, cheap_samples: None) -> None:
    data = data_folder(tmp_path / "data", [(f"{k}.glb", f"pack {k}", "prop") for k in range(3)])
    for worker in (0, 1):
        subject.render_dataset(
            [data], tmp_path / "shared", samples=3, shard_size=2, worker=worker, workers=2, seed=0
        )
    subject.render_dataset([data], tmp_path / "alone", samples=3, shard_size=2, worker=0, workers=1, seed=0)
    for shard in ("shard_0000", "shard_0001"):
        assert contents(tmp_path / "shared" / shard) == contents(tmp_path / "alone" / shard)
    names = [
        entry["name"]
        for shard in sorted((tmp_path / "alone").iterdir())
        for entry in json.loads((shard / "index.json").read_text())["samples"]
    ]
    assert len(names) == 3, "the last shard holds what is left"
    assert len(set(names)) == 3
    assert len(RenderedDataset(tmp_path / "alone", validation=False)) >= 6


def test_an_index_without_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"index\.csv names no assets"):
        subject.render_dataset(
            [data_folder(tmp_path / "data", [])],
            tmp_path / "out",
            samples=2,
            shard_size=2,
            worker=0,
            workers=1,
            seed=0,
        )


def test_sources_come_of_every_folder(tmp_path: Path) -> None:
    folders = [data_folder(tmp_path / name, [(f"{name}.glb", name, "prop")]) for name in "ab"]
    sources = list_sources(folders, 0.0, np.random.default_rng(0))
    assert {(source.path, source.pack) for source in sources} == {
        (tmp_path / name / f"{name}.glb", name) for name in "ab"
    }


def test_sources_mix_assets_and_procedural_shapes(tmp_path: Path) -> None:
    rows = [(f"{k}.glb", "kit", "modular" if k % 2 else "prop") for k in range(400)]
    folder = tmp_path / "data"
    folder.mkdir()
    with (folder / "index.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", "pack", "category"), *rows])
    sources = list_sources([folder], 0.25, np.random.default_rng(0))
    assets = [source for source in sources if source.path is not None]
    modular = [source for source in assets if int(source.name.removesuffix(".glb")) % 2]
    assert len(assets) - len(modular) == 200
    assert len(modular) == pytest.approx(60, abs=25)
    assert (len(sources) - len(assets)) / len(sources) == pytest.approx(0.25, abs=0.01)
    assert sources == list_sources([folder], 0.25, np.random.default_rng(0))
    half = sources[: len(sources) // 2]
    assert sum(source.path is None for source in half) == pytest.approx(len(half) / 4, rel=0.5), (
        "not shuffled"
    )


@pytest.mark.parametrize("fov", [15.0, 60.0])
@pytest.mark.parametrize(("azimuth", "elevation"), [(0.0, 0.0), (130.0, 50.0)])
def test_the_reference_camera_frames_the_model(azimuth: float, elevation: float, fov: float) -> None:
    model = figure()
    camera = reference_camera(model, azimuth, elevation, fov)
    ndc, depth = camera.project(torch.from_numpy(model.triangles.reshape(-1, 3)))
    low, high = ndc[0].amin(0), ndc[0].amax(0)
    assert (low + high).tolist() == pytest.approx([0, 0], abs=1e-5)
    assert float((high - low).max()) == pytest.approx(2 * FILL, abs=1e-5)
    assert depth.min() > 0
    direction = orbit_cameras([azimuth], [elevation], 1.0).positions[0]
    assert torch.nn.functional.cosine_similarity(
        camera.positions[0], direction, dim=0
    ).item() == pytest.approx(1)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_references_positions_lie_behind_their_pixels(
    reference_renderer: Renderer, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    cameras: list[Cameras] = []

    def recorded(*arguments: object) -> tuple[Cameras, float]:
        camera, elevation = jittered_camera(*arguments)  # type: ignore[arg-type]
        cameras.append(camera)
        return camera, elevation

    monkeypatch.setattr(subject, "jittered_camera", recorded)
    seen = render_reference(figure(), 60.0, reference_renderer, np.random.default_rng(seed))
    assert seen["rgba"].shape == (REFERENCE_SIZE, REFERENCE_SIZE, 4)
    steps = (torch.arange(VIEW_SIZE) + 0.5) / VIEW_SIZE * 2 - 1
    x, y = torch.meshgrid(steps, -steps, indexing="xy")
    depths = {}
    for name in ("front", "back"):
        there = torch.from_numpy((seen[name] != 0).any(-1))
        ndc, depth = cameras[0].project(torch.from_numpy(seen[name].astype(np.float32))[there])
        pixel = torch.stack([x[there], y[there]], dim=1)
        # A mean of what the pixel sees lies within it, whatever its depths; and half precision rounds.
        assert (ndc[0] - pixel).abs().max() < 1 / VIEW_SIZE + 2e-3
        whole = seen["rgba"][..., 3].reshape(VIEW_SIZE, 2, VIEW_SIZE, 2).min(axis=(1, 3)) == 255
        assert there.numpy()[whole].all()
        depths[name] = torch.zeros(VIEW_SIZE, VIEW_SIZE).masked_scatter(there, depth[0])
    assert (depths["back"] - depths["front"]).min() > -1e-3
    assert (depths["back"] - depths["front"]).max() > 0.1
    direction = orbit_cameras([60.0], [float(seen["elevation"])], 1.0).positions[0]
    towards = torch.nn.functional.normalize(cameras[0].positions[0], dim=0)
    torch.testing.assert_close(towards, direction)


def test_slivers_leave_no_holes_among_the_positions(reference_renderer: Renderer) -> None:
    """The rasteriser gives one sample of this very model's third image an undefined position."""
    rng = np.random.default_rng([41, 14, 29, 1])
    model = draw_model(Source("procedural_895", "procedural", None), rng)
    for _ in range(3):
        seen = render_reference(model.turned(rng.uniform(0, 360)), 0.0, reference_renderer, rng)
        assert all(np.isfinite(value).all() for value in seen.values())


def test_poses_vary_within_their_stretch_and_fill_the_model_frame() -> None:
    sizes = []
    for seed in range(30):
        model = posed(figure(), np.random.default_rng(seed), stretch=0.2)
        corners = model.triangles.reshape(-1, 3)
        assert np.linalg.norm(corners, axis=1).max() == pytest.approx(0.5, abs=1e-5)
        sizes.append(np.ptp(corners, axis=0))
    assert np.std(sizes, axis=0).min() > 0.02
    still = posed(figure(), np.random.default_rng(0), stretch=0.0)
    edges = [np.linalg.norm(np.diff(m.triangles, axis=1), axis=-1) for m in (figure(), still)]
    assert np.ptp(edges[1] / edges[0]) < 1e-4, "without stretch a pose is rigid, up to one scale"


def test_hand_held_cameras_keep_the_model_in_the_picture() -> None:
    model = figure()
    elevations, centres, sizes, rolls = [], [], [], []
    for seed in range(60):
        camera, elevation = jittered_camera(model, 60.0, np.random.default_rng(seed))
        ndc, depth = camera.project(torch.from_numpy(model.triangles.reshape(-1, 3)))
        assert depth.min() > 0
        assert ndc.abs().max() < 1
        low, high = ndc[0].amin(0), ndc[0].amax(0)
        centres.append(((low + high) / 2).tolist())
        sizes.append(float((high - low).max()) / 2)
        place = camera.positions[0]
        assert np.degrees(np.arcsin(float(place[1] / place.norm()))) == pytest.approx(elevation, abs=1e-3)
        assert np.degrees(np.arctan2(float(place[0]), float(place[2]))) == pytest.approx(60, abs=1e-3)
        elevations.append(elevation)
        rolls.append(float(camera.camera_to_world[0, 1, 0]))
    assert -10 <= min(elevations) < 0 < 30 < max(elevations) <= 45
    assert np.abs(centres).max() <= 0.03 + 1e-5
    assert 0.8 <= min(sizes) < max(sizes) <= 0.9
    assert 0.02 < np.std(rolls) < 0.15


def test_a_procedural_shape_keeps_its_known_materials() -> None:
    made, posed_one = random_model(np.random.default_rng(3)), draw_model(SOURCES[0], np.random.default_rng(3))
    for one, two in zip(made.parts, posed_one.parts, strict=True):
        assert np.array_equal(one.roughness, two.roughness)
        assert (one.surface_texture is None) == (two.surface_texture is None)


def test_rendering_tells_its_bottleneck(
    tmp_path: Path, few_points: None, capsys: pytest.CaptureFixture[str]
) -> None:
    render_shard(tmp_path, 0, SOURCES[:1], seed=0)
    told = capsys.readouterr().out
    assert told.startswith("shard 0: ")
    assert "samples/s" in told
    assert "bottleneck: " in told
    assert all(stage in told for stage in ("models", "render", "labels", "write"))
