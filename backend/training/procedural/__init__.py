"""Endless procedural shapes with known materials, one file a family, after LRM-Zero (Xie et al. 2024).

A family draws components (closed solids and what they are made of); `painting` unites them into one
watertight model with texture coordinates and textures of base colour, roughness and metallic.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

import numpy as np

from backend.training.assets import Model
from backend.training.procedural.booleans import carved, cut_by_chance
from backend.training.procedural.creatures import creature
from backend.training.procedural.extrusions import extrusion
from backend.training.procedural.furniture import furniture
from backend.training.procedural.height_fields import height_field
from backend.training.procedural.lathes import lathe
from backend.training.procedural.painting import painted
from backend.training.procedural.primitives import assembly
from backend.training.procedural.solids import Component
from backend.training.procedural.sweeps import sweep
from backend.training.procedural.vehicles import vehicle

FAMILIES: MappingProxyType[str, Callable[[np.random.Generator], list[Component]]] = MappingProxyType(
    {
        "primitives": assembly,
        "booleans": carved,
        "height fields": height_field,
        "lathes": lathe,
        "sweeps": sweep,
        "extrusions": extrusion,
        "furniture": furniture,
        "creatures": creature,
        "vehicles": vehicle,
    }
)
_SHARES = (0.15, 0.1, 0.05, 0.15, 0.1, 0.07, 0.15, 0.13, 0.1)
_CUT_SHARE = 0.08


def random_model(rng: np.random.Generator, family: str | None = None) -> Model:
    """One shape in the model frame (bounding sphere radius 0.5), +Y up, the front on +Z where it has one.

    Args:
        family: a name of FAMILIES; drawn as well where none is given.
    """
    name = list(FAMILIES)[rng.choice(len(FAMILIES), p=_SHARES)] if family is None else family
    components = FAMILIES[name](rng)
    if rng.random() < _CUT_SHARE:
        components = cut_by_chance(components, rng)
    return painted(components, rng)
