"""Procedural surroundings that light an object: open sky, studio, room; prefiltered for a rasteriser.

A panorama is an equirectangular map of linear radiance, its row 0 looking down, column 0 along +Z and turning
towards +X. For shading it is blurred once by the GGX lobe of each of ROUGHNESSES and once by the cosine (the
first factor of the split sum, Karis 2013). Lobes depend on the difference of azimuths alone, so that the blur
along a row is a product in Fourier space.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Complex128, Float32, Float64

HEIGHT, WIDTH = 32, 64
ROUGHNESSES = (0.2, 0.4, 0.6, 0.8, 1.0)
"""Evenly spaced; what is glossier than the first reflects as the first does, about a texel wide."""

Rng = np.random.Generator
Panorama = Float64[np.ndarray, "32 64 3"]


@dataclass(frozen=True)
class Environment:
    """Prefiltered surroundings."""

    layers: Float32[np.ndarray, "6 32 64 3"]
    """What a surface of each of ROUGHNESSES reflects along each direction; last, the mean radiance that a
    matt surface facing that direction receives (irradiance / pi)."""

    @property
    def diffuse(self) -> Float32[np.ndarray, "32 64 3"]:
        return self.layers[-1]


@dataclass(frozen=True)
class Surroundings:
    """An environment and where its strongest light stands."""

    environment: Environment
    key: tuple[float, float, float]
    """Unit direction towards the sun, the softbox or the window."""
    key_tint: tuple[float, float, float]
    """Its colour, at most 1."""


def prefilter(panorama: Panorama) -> Environment:
    """Blur a panorama for shading."""
    spectrum = np.fft.rfft(panorama, axis=1)
    blurred = _lobes() @ np.moveaxis(spectrum, 1, 0)
    layers = np.fft.irfft(blurred, WIDTH, axis=0).reshape(WIDTH, -1, HEIGHT, 3)
    return Environment(np.moveaxis(layers, 0, 2).clip(0).astype(np.float32))


def random_surroundings(rng: Rng, brightness: float) -> Surroundings:
    """A sky, a studio or a room, whose mean radiance is `brightness`."""
    draw = (_sky, _studio, _room)[rng.choice(3, p=[0.4, 0.3, 0.3])]
    panorama, key, tint = draw(rng)
    weights = _solid_angles()[:, None, None]
    mean = (panorama * weights).sum() / (3 * WIDTH * weights.sum())
    environment = prefilter(panorama * brightness / mean)
    return Surroundings(environment, _triple(key), _triple(tint))


@cache
def directions() -> Float64[np.ndarray, "32 64 3"]:
    """The unit vector through each texel's centre."""
    latitude, azimuth = _latitudes()[:, None], _azimuths()[None]
    flat = np.cos(latitude)
    upward = np.broadcast_to(np.sin(latitude), (HEIGHT, WIDTH))
    return np.stack([flat * np.sin(azimuth), upward, flat * np.cos(azimuth)], axis=-1)


def direction_of(azimuth: float, height: float) -> Float64[np.ndarray, " 3"]:
    """The unit vector at an azimuth (radians from +Z towards +X) whose y is `height`."""
    flat = np.sqrt(1 - height**2)
    return np.array([flat * np.sin(azimuth), height, flat * np.cos(azimuth)])


def _latitudes() -> np.ndarray:
    return ((np.arange(HEIGHT) + 0.5) / HEIGHT - 0.5) * np.pi


def _azimuths() -> np.ndarray:
    return (np.arange(WIDTH) + 0.5) / WIDTH * 2 * np.pi


def _solid_angles() -> np.ndarray:
    """Of a texel in each row."""
    return np.cos(_latitudes()) * (np.pi / HEIGHT) * (2 * np.pi / WIDTH)


@cache
def _lobes() -> Complex128[np.ndarray, "33 192 32"]:
    """For each frequency along the azimuth, the weight of each row in each row of each layer."""
    out, into = _latitudes()[:, None, None], _latitudes()[None, :, None]
    turn = np.arange(WIDTH) / WIDTH * 2 * np.pi
    cosine = (np.sin(out) * np.sin(into) + np.cos(out) * np.cos(into) * np.cos(turn)).clip(-1, 1)
    facing = cosine.clip(0)
    half = (1 + cosine) / 2  # squared cosine of half of the angle
    layers = []
    for roughness in ROUGHNESSES:
        squared = roughness**4
        # GGX at the half vector, seen along the normal, weighted by the cosine (Karis 2013).
        layers.append(facing / (half * (squared - 1) + 1) ** 2)
    layers.append(facing)
    weights = np.stack(layers) * _solid_angles()[:, None]
    weights /= weights.sum(axis=(2, 3), keepdims=True)
    spectrum = np.fft.rfft(weights, axis=3).reshape(-1, HEIGHT, WIDTH // 2 + 1)
    return np.ascontiguousarray(np.moveaxis(spectrum, 2, 0))


def _triple(vector: np.ndarray) -> tuple[float, float, float]:
    return float(vector[0]), float(vector[1]), float(vector[2])


def _warmth(rng: Rng, spread: float) -> np.ndarray:
    """A white that leans towards orange or blue."""
    lean = rng.normal(0, spread)
    return np.array([1 + lean, 1.0, 1 - lean]).clip(0.2, 2)


def _glow(towards: np.ndarray, sharpness: float) -> Float64[np.ndarray, "32 64 1"]:
    """A lobe around a direction (von Mises-Fisher, 1 at its middle)."""
    return np.exp(sharpness * (directions() @ towards - 1))[..., None]


def _panel(towards: np.ndarray, size: tuple[float, float]) -> Float64[np.ndarray, "32 64 1"]:
    """1 within a rectangle of half sizes `size` (tangents) around a direction, soft at its rim."""
    side = np.cross([0.0, 1.0, 0.0], towards)
    side /= max(float(np.linalg.norm(side)), 1e-6)
    up = np.cross(towards, side)
    look = directions()
    ahead = (look @ towards).clip(1e-3)
    distance = np.maximum(np.abs(look @ side) / ahead / size[0], np.abs(look @ up) / ahead / size[1])
    return (((1.25 - distance) / 0.25).clip(0, 1) * (look @ towards > 0.05))[..., None]


def _sky(rng: Rng) -> tuple[Panorama, np.ndarray, np.ndarray]:
    """Zenith, horizon and ground, clouds, and a glow around the sun."""
    upward = directions()[..., 1:2]
    blue = rng.uniform(0, 0.45)
    zenith = np.array([1 - blue, 1 - 0.55 * blue, 1.0]) * rng.uniform(0.5, 1.0)
    horizon = _warmth(rng, 0.08) * rng.uniform(0.7, 1.2)
    ground = np.array([1.0, 0.9, 0.75]) ** rng.uniform(0, 2) * rng.uniform(0.12, 0.5)
    above = horizon + (zenith - horizon) * upward.clip(0) ** 0.5
    panorama = np.where(upward > 0, above, ground * (1 + 0.3 * upward))
    cover = rng.uniform(0, 0.8)
    panorama = panorama * (1 - cover * (upward > 0) * (1 - _clouds(rng)))
    sun = direction_of(rng.uniform(0, 2 * np.pi), rng.uniform(0.15, 0.95))
    tint = (_warmth(rng, 0.05) + np.array([0.25, 0.05, -0.2]) * (1 - sun[1])).clip(0, 1)
    return panorama + tint * 3 * _glow(sun, rng.uniform(8, 40)), sun, tint


def _studio(rng: Rng) -> tuple[Panorama, np.ndarray, np.ndarray]:
    """A grey cyclorama with two to four softboxes."""
    wall, floor = rng.uniform(0.1, 0.6), rng.uniform(0.2, 0.8)
    upward = directions()[..., 1:2]
    panorama = np.broadcast_to(floor + (wall - floor) * (upward * 2 + 0.7).clip(0, 1), (HEIGHT, WIDTH, 3))
    boxes = []
    for _ in range(rng.integers(2, 5)):
        towards = direction_of(rng.uniform(0, 2 * np.pi), rng.uniform(0.0, 0.95))
        strength, tint = rng.uniform(1.5, 6), _warmth(rng, 0.06)
        size = (float(rng.uniform(0.2, 0.8)), float(rng.uniform(0.2, 0.8)))
        panorama = panorama + strength * tint * _panel(towards, size)
        boxes.append((strength * size[0] * size[1], towards, tint))
    _, towards, tint = max(boxes, key=lambda box: box[0])
    return panorama, towards, tint.clip(0, 1)


def _room(rng: Rng) -> tuple[Panorama, np.ndarray, np.ndarray]:
    """Coloured walls, ceiling and floor, one or two windows, a lamp overhead."""
    upward = directions()[..., 1:2]
    wall = rng.uniform(0.25, 0.75) * (1 + rng.normal(0, 0.12, 3))
    ceiling = _warmth(rng, 0.04) * rng.uniform(0.5, 0.9)
    floor = np.array([1.0, 0.8, 0.6]) ** rng.uniform(0, 2) * rng.uniform(0.1, 0.5)
    panorama = np.where(upward > 0.6, ceiling, np.where(upward < -0.45, floor, wall))
    panorama = panorama * (0.75 + 0.5 * _clouds(rng))
    window = direction_of(rng.uniform(0, 2 * np.pi), rng.uniform(0.1, 0.45))
    day = _warmth(rng, 0.1)
    panorama = panorama + rng.uniform(2, 6) * day * _panel(
        window, (rng.uniform(0.25, 0.6), rng.uniform(0.3, 0.6))
    )
    if rng.random() < 0.5:
        lamp = direction_of(rng.uniform(0, 2 * np.pi), rng.uniform(0.75, 0.98))
        panorama = panorama + rng.uniform(2, 8) * np.array([1.0, 0.85, 0.6]) * _glow(
            lamp, rng.uniform(30, 120)
        )
    return panorama.clip(0.02), window, day.clip(0, 1)


def _clouds(rng: Rng) -> Float64[np.ndarray, "32 64 1"]:
    """Smooth noise in [0, 1] that closes around the horizon: a few waves over directions in space."""
    waves = rng.normal(0, 1, (6, 3)) * np.array([1.5, 2.5, 3, 4, 6, 8])[:, None]
    swing = np.sin(directions() @ waves.T + rng.uniform(0, 2 * np.pi, 6)) @ np.array([3, 2, 2, 1.5, 1, 0.7])
    return (0.5 + swing / 10).clip(0, 1)[..., None]
