"""Patterns between two substances, as textures of base colour, roughness and metallic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from backend.training.assets import linear_to_srgb
from backend.training.procedural.substances import Kind, partner, random_kind, random_substance

SIZE = 64
Rng = np.random.Generator
Blend = Float[np.ndarray, "64 64"]


@dataclass(frozen=True)
class Material:
    """A uniform base colour, roughness and metallic, or a texture of all three."""

    colour: Float[np.ndarray, " 3"]
    """Linear; white under a texture."""
    roughness: float
    metallic: float
    texture: UInt8[np.ndarray, "64 64 3"] | None = None
    """sRGB, repeating."""
    surface_texture: UInt8[np.ndarray, "64 64 2"] | None = None
    """Roughness and metallic, repeating."""


def random_material(rng: Rng, kind: Kind | None = None) -> Material:
    """Uniform in 45 of 100 cases, patterned in the others; wood and stone nearly always show their grain."""
    kind = random_kind(rng) if kind is None else kind
    first = random_substance(kind, rng)
    grained = {Kind.WOOD: _grain, Kind.STONE: _marble, Kind.SKIN: _spots}.get(kind)
    if rng.random() < (0.1 if grained else 0.55):
        return Material(first.colour, first.roughness, first.metallic)
    second, _ = partner(first, kind, rng)
    pattern = grained if grained and rng.random() < 0.75 else _PATTERNS[rng.integers(len(_PATTERNS))]
    blend = pattern(rng)[..., None]

    def mixed(a: np.ndarray, b: np.ndarray) -> UInt8[np.ndarray, "64 64 c"]:
        return ((a + (b - a) * blend) * 255).round().clip(0, 255).astype(np.uint8)

    # Blended in sRGB, where even steps look even.
    colour = mixed(linear_to_srgb(first.colour), linear_to_srgb(second.colour))
    surface = mixed(
        np.array([first.roughness, first.metallic]), np.array([second.roughness, second.metallic])
    )
    return Material(np.ones(3), first.roughness, first.metallic, colour, surface)


def random_shading(rng: Rng) -> UInt8[np.ndarray, "64 64 3"]:
    """A pattern from white to some darker, slightly tinted shade, to be multiplied with any base colour."""
    blend = _PATTERNS[rng.integers(len(_PATTERNS))](rng)[..., None]
    shade = rng.uniform(0.25, 0.9) * rng.uniform(0.8, 1.0, 3)
    return ((1 + (shade - 1) * blend) * 255).round().astype(np.uint8)


def _coordinates() -> tuple[np.ndarray, np.ndarray]:
    """x to the right and y up, in [0, 1)."""
    steps = (np.arange(SIZE) + 0.5) / SIZE
    x, y = np.meshgrid(steps, steps[::-1])
    return x, y


def _noise(rng: Rng, scale: tuple[float, float] = (4.0, 4.0), octaves_decay: float = 1.6) -> Blend:
    """Smooth noise in [0, 1] that repeats: a spectrum falling with frequency, in random phase.

    Args:
        scale: below this frequency along y and x the spectrum is flat; unequal numbers stretch the noise.
    """
    fy, fx = np.fft.fftfreq(SIZE)[:, None] * SIZE, np.fft.rfftfreq(SIZE)[None] * SIZE
    radius = np.sqrt(1 + (fy / scale[0]) ** 2 + (fx / scale[1]) ** 2)
    spectrum = rng.normal(size=(2, SIZE, SIZE // 2 + 1)) / radius ** (octaves_decay + 1)
    noise = np.fft.irfft2(spectrum[0] + 1j * spectrum[1], (SIZE, SIZE))
    ranked = (noise - noise.mean()) / max(float(noise.std()), 1e-9)
    return (0.5 + ranked / 4).clip(0, 1)


def _clouds(rng: Rng) -> Blend:
    return _noise(rng, (rng.uniform(2, 8),) * 2)


def _patches(rng: Rng) -> Blend:
    return _noise(rng, (rng.uniform(1, 4),) * 2, 2.5) > rng.uniform(0.4, 0.6)


def _speckle(rng: Rng) -> Blend:
    return _noise(rng, (20.0, 20.0)) > rng.uniform(0.6, 0.75)


def _stripes(rng: Rng) -> Blend:
    x, y = _coordinates()
    # Whole numbers of stripes in both directions, so that the texture repeats.
    direction = ((1, 0), (0, 1), (1, 1), (1, -1))[rng.integers(4)]
    place = (x * direction[0] + y * direction[1]) * rng.integers(1, 6)
    return (place % 1 < rng.uniform(0.2, 0.8)).astype(np.float64)


def _checks(rng: Rng) -> Blend:
    x, y = _coordinates()
    count = 2 * rng.integers(1, 4)
    return (np.floor(x * count) + np.floor(y * count)) % 2


def _dots(rng: Rng) -> Blend:
    x, y = _coordinates()
    count = rng.integers(2, 6)
    apart = np.hypot(x * count % 1 - 0.5, y * count % 1 - 0.5)
    return (apart < rng.uniform(0.15, 0.4)).astype(np.float64)


def _bricks(rng: Rng) -> Blend:
    """1 in the joints."""
    x, y = _coordinates()
    rows = 2 * rng.integers(1, 4)
    row = np.floor(y * rows)
    across = (x * rows / 2 + 0.5 * (row % 2)) % 1
    joint = rng.uniform(0.06, 0.14)
    return ((across < joint / 2) | (y * rows % 1 < joint)).astype(np.float64)


def _planks(rng: Rng) -> Blend:
    """Each board in a shade of its own, with joints."""
    x, _ = _coordinates()
    count = rng.integers(2, 7)
    shades = rng.uniform(0, 0.6, count)[np.floor(x * count).astype(np.int64)]
    return np.where(x * count % 1 < 0.08, 1.0, (shades + 0.4 * _noise(rng, (1.5, 12.0))).clip(0, 1))


def _gradient(rng: Rng) -> Blend:
    _, y = _coordinates()
    start, width = rng.uniform(0, 0.5), rng.uniform(0.2, 1)
    ramp = ((y - start) / width).clip(0, 1)
    return ramp if rng.random() < 0.5 else 1 - ramp


def _band(rng: Rng) -> Blend:
    """One broad ring, as on a cup."""
    _, y = _coordinates()
    low = rng.uniform(0.1, 0.7)
    return ((y > low) & (y < low + rng.uniform(0.08, 0.3))).astype(np.float64)


def _grain(rng: Rng) -> Blend:
    """Wood: lines along y, bent by slow noise."""
    x, _ = _coordinates()
    bend = _noise(rng, (1.0, 2.0), 2.5)
    lines = 0.5 + 0.5 * np.sin(2 * np.pi * (x * rng.integers(2, 6) + 2.5 * bend))
    return (lines**2 * 0.7 + 0.3 * _noise(rng, (2.0, 16.0))).clip(0, 1)


def _marble(rng: Rng) -> Blend:
    """Stone: thin veins where folded noise turns, over clouds."""
    fold = np.abs(_noise(rng, (2.0, 2.0), 1.8) - 0.5) * 2
    veins = np.exp(-((fold / rng.uniform(0.06, 0.25)) ** 2))
    return (veins * 0.8 + 0.25 * _noise(rng, (6.0, 6.0))).clip(0, 1)


def _spots(rng: Rng) -> Blend:
    return _noise(rng, (3.0, 3.0), 2.0) > rng.uniform(0.55, 0.75)


_PATTERNS: tuple[Callable[[Rng], Blend], ...] = (
    _clouds,
    _patches,
    _speckle,
    _stripes,
    _checks,
    _dots,
    _bricks,
    _planks,
    _gradient,
    _band,
    _marble,
)
