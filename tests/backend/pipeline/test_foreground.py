"""Cutting out and framing, on pictures drawn here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from backend.errors import ForegroundError, PackError
from backend.packs.manifest import PackManifest, hashed_file, save_manifest
from backend.pipeline import segmentation
from backend.pipeline.foreground import MAX_CROP, extract_foreground
from backend.pipeline.segmentation import grabcut_mask
from backend.settings import PACKS_VARIABLE


class Recorder:
    """A Progress that remembers."""

    def __init__(self) -> None:
        self.fractions: list[float] = []

    def advance(self, stage: str, fraction: float) -> None:
        assert stage == "foreground"
        self.fractions.append(fraction)

    def preview(self, name: str, image: np.ndarray) -> None:
        raise AssertionError(f"no preview expected, got {name}")


@pytest.fixture(autouse=True)
def _no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Results must not depend on what lies in the home of whoever runs the tests."""
    monkeypatch.setenv("U2NET_HOME", str(tmp_path))
    monkeypatch.setenv(PACKS_VARIABLE, str(tmp_path / "packs"))


def mug_mask(size: int = 200) -> np.ndarray:
    """A body with a handle: a silhouette with a hole."""
    mask = np.zeros((size, size), np.uint8)
    cv2.rectangle(mask, (60, 50), (120, 150), 255, -1)
    cv2.circle(mask, (130, 100), 30, 255, 8)
    return mask


def photograph(background: np.ndarray, mask: np.ndarray, seed: int = 0) -> np.ndarray:
    """A dark red mug over a background, slightly blurred and noisy, opaque."""
    cover = cv2.GaussianBlur(mask, (0, 0), 0.8)[..., None] / 255
    colour = np.array([150, 40, 45]) * (0.7 + 0.3 * np.linspace(0, 1, mask.shape[1]))[None, :, None]
    noise = np.random.default_rng(seed).normal(0, 3, (*mask.shape, 1))
    rgb = np.clip(colour * cover + background * (1 - cover) + noise, 0, 255)
    return np.dstack([rgb, np.full(mask.shape, 255)]).astype(np.uint8)


def plain(size: int) -> np.ndarray:
    return np.full((size, size, 3), 235.0)


def shaded(size: int) -> np.ndarray:
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    return np.array([200, 205, 210]) * (1 - 0.2 * (x**2 + y**2))[..., None]


def wall_and_floor(size: int) -> np.ndarray:
    wall = np.broadcast_to(np.array([210.0, 215, 220]), (size, size, 3)).copy()
    wall[int(size * 0.7) :] = (120, 140, 90)
    return wall


def textured(size: int) -> np.ndarray:
    grain = cv2.GaussianBlur(np.random.default_rng(3).normal(0, 1, (size, size)), (0, 0), 2)
    return np.array([90.0, 140, 110]) + 8 * (grain / grain.std())[..., None]


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


@pytest.mark.parametrize("background", [plain, shaded, wall_and_floor, textured])
def test_grabcut_finds_the_object_and_its_hole(background) -> None:
    mask = mug_mask()
    found = grabcut_mask(photograph(background(200), mask)[..., :3]) >= 128
    assert iou(found, mask > 0) > 0.9
    assert not found[100, 133]  # background seen through the handle


def test_grabcut_repeats_exactly() -> None:
    image = photograph(textured(200), mug_mask())[..., :3]
    np.testing.assert_array_equal(grabcut_mask(image), grabcut_mask(image))


def test_alpha_is_taken_as_it_is_and_framed() -> None:
    image = np.zeros((120, 200, 4), np.uint8)
    image[30:70, 40:140] = (200, 100, 50, 255)
    image[70:80, 40:140] = (200, 100, 50, 128)
    progress = Recorder()
    result = extract_foreground(image, fill=0.8, progress=progress)
    assert result.method == "alpha"
    assert result.image.shape == (125, 125, 4)  # 100 / 0.8
    assert result.image.dtype == np.float32
    solid = np.argwhere(result.image[..., 3] > 0.5)
    low, high = solid.min(0), solid.max(0) + 1
    assert high[1] - low[1] == 100
    assert np.abs((low + high) / 2 - 62.5).max() <= 0.5
    assert set(np.unique(result.image[..., 3].round(2))) == {0.0, 0.5, 1.0}
    assert progress.fractions == sorted(progress.fractions)
    assert progress.fractions[-1] == 1.0


def test_colours_continue_under_transparent_pixels() -> None:
    image = np.zeros((100, 100, 4), np.uint8)
    image[..., :3] = (0, 255, 0)  # what lies under alpha 0 is arbitrary
    image[30:70, 30:70] = (220, 10, 10, 255)
    result = extract_foreground(image, progress=Recorder()).image
    np.testing.assert_allclose(
        result[..., :3], np.broadcast_to([220 / 255, 10 / 255, 10 / 255], result[..., :3].shape)
    )


def test_object_at_the_picture_edge_is_padded() -> None:
    image = np.zeros((80, 80, 4), np.uint8)
    image[:40, :80] = (90, 90, 90, 255)
    result = extract_foreground(image, fill=0.5, progress=Recorder()).image
    assert result.shape == (160, 160, 4)
    assert result[:60, :, 3].max() == 0
    assert result[80, 80, 3] == 1


def test_large_crops_are_reduced_and_small_ones_never_enlarged() -> None:
    large = np.zeros((1500, 1500, 4), np.uint8)
    large[100:1400, 100:1400] = (10, 200, 90, 255)
    result = extract_foreground(large, progress=Recorder()).image
    assert result.shape == (MAX_CROP, MAX_CROP, 4)
    covered = result[..., 3] > 0
    assert np.abs(result[covered][:, :3] - np.array([10, 200, 90]) / 255).max() < 1e-3
    small = np.zeros((64, 64, 4), np.uint8)
    small[20:40, 20:40] = 255
    assert extract_foreground(small, fill=1.0, progress=Recorder()).image.shape == (20, 20, 4)


def test_photograph_without_weights_goes_through_grabcut() -> None:
    result = extract_foreground(photograph(plain(200), mug_mask()), progress=Recorder())
    assert result.method == "grabcut"
    rim = (result.image[..., 3] > 0.05) & (result.image[..., 3] < 0.95)
    assert rim.any()
    # The rim has the object's dark red, not a mixture with the light background.
    assert result.image[rim][:, 1].max() < 0.45


def test_specks_are_dropped() -> None:
    image = photograph(plain(200), mug_mask())
    image[10:14, 180:184, :3] = (150, 40, 45)
    result = extract_foreground(image, fill=1.0, progress=Recorder())
    assert len(result.image) < 115  # the mug's box, without the speck in the corner


@pytest.mark.parametrize(
    ("image", "says"),
    [
        (np.zeros((64, 64, 4), np.uint8), "fully transparent"),
        (np.full((64, 64, 4), 255, np.uint8), "No object was found"),
        (np.pad(np.full((4, 4, 4), 255, np.uint8), ((30, 30), (30, 30), (0, 0))), "No object was found"),
    ],
)
def test_no_object(image: np.ndarray, says: str) -> None:
    with pytest.raises(ForegroundError, match=says):
        extract_foreground(image, progress=Recorder())


def test_damaged_weights_are_named(tmp_path: Path) -> None:
    (tmp_path / "u2net.onnx").write_bytes(b"half a download")
    with pytest.raises(PackError, match=r"u2net\.onnx is damaged"):
        extract_foreground(photograph(plain(64 * 4)[:200, :200], mug_mask()), progress=Recorder())


def test_weights_that_came_as_a_pack_are_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "packs" / "foreground"
    folder.mkdir(parents=True)
    (folder / "u2net.onnx").write_bytes(b"weights")
    file = hashed_file(folder, "u2net.onnx", "u2net")
    save_manifest(folder, PackManifest("foreground", "Apache-2.0", "for tests", (file,), "foreground"))

    @dataclass
    class Session:
        weights: Path

        def predict(self, image: Image.Image) -> list[Image.Image]:
            assert self.weights == folder / "u2net.onnx"
            return [Image.fromarray(mug_mask())]

    monkeypatch.setattr(segmentation, "_u2net", Session)
    assert extract_foreground(photograph(plain(200), mug_mask()), progress=Recorder()).method == "rembg"
    (folder / "u2net.onnx").write_bytes(b"damaged")
    with pytest.raises(PackError, match="packs download foreground"):
        extract_foreground(photograph(plain(200), mug_mask()), progress=Recorder())
