"""Light for rendering: what surrounds an object, and distant lights.

Radiance is linear; a light of colour 1 shows a matt white surface that faces it as white.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backend.training.environments import Environment, random_surroundings

Colour = tuple[float, float, float]
Direction = tuple[float, float, float]


@dataclass(frozen=True)
class Lighting:
    """A dome of two colours, or an environment in its place, and two distant lights."""

    sky: Colour = (1.0, 1.0, 1.0)
    ground: Colour = (0.7, 0.7, 0.7)
    directions: tuple[Direction, Direction] = ((0.0, 1.0, 0.0), (0.0, 1.0, 0.0))
    colours: tuple[Colour, Colour] = ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    environment: Environment | None = None
    """Replaces sky and ground."""
    shadows: bool = False
    """Whether the first light casts them."""
    contact: float = 0.0
    """How much the ground that the object stands on darkens its lower side, in [0, 1]."""


STUDIO = Lighting()
"""Even light: the six views are rendered in it, so that the view model also learns to take light off."""


def random_lighting(rng: np.random.Generator) -> Lighting:
    """A coloured dome, a key light from above and a weaker fill.

    The evaluation lights its reference images with it: a change here changes what is measured.
    """

    def warm(low: float, high: float) -> Colour:
        level, warmth = rng.uniform(low, high), rng.normal(0, 0.06)
        return (level * (1 + warmth), level, level * (1 - warmth))

    def towards(lowest: float) -> Direction:
        azimuth, height = rng.uniform(0, 2 * np.pi), rng.uniform(lowest, 0.95)
        flat = float(np.sqrt(1 - height**2))
        return (flat * float(np.sin(azimuth)), float(height), flat * float(np.cos(azimuth)))

    directions = (towards(0.15), towards(-0.3))
    return Lighting(warm(0.4, 1.0), warm(0.2, 0.7), directions, (warm(0.0, 0.9), warm(0.0, 0.3)))


def random_environment_lighting(rng: np.random.Generator) -> Lighting:
    """A sky, studio or room whose strongest light also shines as a distant one and casts shadows."""
    exposure, key_share = rng.uniform(0.75, 1.25), rng.uniform(0, 0.65)
    surroundings = random_surroundings(rng, exposure * (1 - key_share))
    strength = 1.6 * exposure * key_share
    tint = surroundings.key_tint
    return Lighting(
        directions=(surroundings.key, (0.0, 1.0, 0.0)),
        colours=((strength * tint[0], strength * tint[1], strength * tint[2]), (0.0, 0.0, 0.0)),
        environment=surroundings.environment,
        shadows=bool(rng.random() < 0.8),
        contact=float(rng.uniform(0, 0.8)) if rng.random() < 0.6 else 0.0,
    )


def random_reference_lighting(rng: np.random.Generator) -> Lighting:
    """Light of a training sample's reference image: an environment, or in every fourth a dome."""
    return random_lighting(rng) if rng.random() < 0.25 else random_environment_lighting(rng)
