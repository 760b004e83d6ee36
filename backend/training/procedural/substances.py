"""What procedural shapes are made of: kinds of matter with plausible colour, roughness and metallic."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from enum import Enum, auto

import numpy as np
from jaxtyping import Float

from backend.training.assets import srgb_to_linear


class Kind(Enum):
    """Families of matter."""

    PAINT = auto()
    PLASTIC = auto()
    METAL = auto()
    WOOD = auto()
    STONE = auto()
    FABRIC = auto()
    RUBBER = auto()
    GLASS = auto()
    """Dark and glossy, as an opaque renderer can show it."""
    SKIN = auto()
    """Fur, hide, skin."""


@dataclass(frozen=True)
class Substance:
    """One matter, uniform in itself."""

    colour: Float[np.ndarray, " 3"]
    """Linear base colour; of a metal, its reflectance at normal incidence."""
    roughness: float
    metallic: float


_METALS: tuple[tuple[float, float, float], ...] = (
    (0.56, 0.57, 0.58),
    (0.91, 0.92, 0.92),
    (0.97, 0.96, 0.91),
    (1.00, 0.71, 0.29),
    (0.95, 0.64, 0.54),
    (0.89, 0.77, 0.46),
    (0.40, 0.38, 0.37),
    (0.66, 0.61, 0.53),
)
"""Iron, aluminium, silver, gold, copper, brass, gunmetal, nickel: linear reflectances (Hoffman, SIGGRAPH 2012
course notes on physically based shading)."""

_SHARES = {
    Kind.PAINT: 0.26,
    Kind.PLASTIC: 0.2,
    Kind.METAL: 0.17,
    Kind.WOOD: 0.13,
    Kind.STONE: 0.12,
    Kind.FABRIC: 0.06,
    Kind.RUBBER: 0.03,
    Kind.GLASS: 0.03,
}
"""How often each is drawn where nothing asks for a kind."""

_HSV_AND_ROUGHNESS: dict[Kind, tuple[tuple[float, float], ...]] = {
    Kind.PAINT: ((0.0, 1.0), (0.25, 0.95), (0.25, 1.0), (0.2, 0.7)),
    Kind.PLASTIC: ((0.0, 1.0), (0.1, 1.0), (0.1, 1.0), (0.15, 0.55)),
    Kind.WOOD: ((0.04, 0.11), (0.3, 0.75), (0.2, 0.8), (0.35, 0.85)),
    Kind.STONE: ((0.0, 1.0), (0.0, 0.25), (0.2, 0.95), (0.35, 0.95)),
    Kind.FABRIC: ((0.0, 1.0), (0.1, 0.8), (0.15, 0.9), (0.75, 1.0)),
    Kind.RUBBER: ((0.0, 1.0), (0.0, 0.1), (0.06, 0.25), (0.6, 0.95)),
    Kind.GLASS: ((0.45, 0.65), (0.0, 0.5), (0.05, 0.4), (0.05, 0.2)),
    Kind.SKIN: ((0.0, 0.14), (0.15, 0.7), (0.2, 0.95), (0.5, 0.9)),
}
"""Ranges of hue, saturation, value (sRGB) and roughness."""


def random_kind(rng: np.random.Generator) -> Kind:
    shares = np.array(list(_SHARES.values()))
    return list(_SHARES)[rng.choice(len(shares), p=shares / shares.sum())]


def random_substance(kind: Kind, rng: np.random.Generator) -> Substance:
    """One matter of a kind."""
    if kind is Kind.METAL:
        colour = np.array(_METALS[rng.integers(len(_METALS))]) * rng.uniform(0.75, 1.0)
        return Substance(colour.clip(0, 1), float(rng.uniform(0.08, 0.6)), 1.0)
    hue, saturation, value, roughness = (
        float(rng.uniform(low, high)) for low, high in _HSV_AND_ROUGHNESS[kind]
    )
    colour = srgb_to_linear(np.array(colorsys.hsv_to_rgb(hue, saturation, value)))
    return Substance(colour, roughness, 0.0)


def partner(substance: Substance, kind: Kind, rng: np.random.Generator) -> tuple[Substance, Kind]:
    """A second substance to make a pattern with: mostly a shade of the first, else another matter."""
    if kind in (Kind.WOOD, Kind.STONE, Kind.SKIN) or rng.random() < 0.4:
        gain = rng.uniform(0.25, 0.8) if rng.random() < 0.7 else rng.uniform(1.2, 2.0)
        shade = (substance.colour * gain).clip(0, 1)
        roughness = float(np.clip(substance.roughness + rng.uniform(-0.2, 0.2), 0.05, 1))
        return Substance(shade, roughness, substance.metallic), kind
    other = random_kind(rng)
    return random_substance(other, rng), other
