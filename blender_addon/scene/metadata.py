"""How an asset came to be, kept on its object as custom properties."""

from __future__ import annotations

from dataclasses import dataclass

import bpy

from ..protocol import JobRequest

_PREFIX = "bozzetto_"


@dataclass(frozen=True)
class Parameters:
    """What another run needs to make the same asset again."""

    image: str
    pack: str
    seed: int
    faces: int
    texture_size: int
    height_metres: float

    @classmethod
    def of(cls, request: JobRequest, image: str) -> Parameters:
        return cls(
            image, request.pack, request.seed, request.faces, request.texture_size, request.height_metres
        )


def write_parameters(target: bpy.types.Object, parameters: Parameters) -> None:
    for name in Parameters.__dataclass_fields__:
        target[_PREFIX + name] = getattr(parameters, name)


def read_parameters(source: bpy.types.Object) -> Parameters | None:
    """None when the object is not Bozzetto's."""
    values = {name: source.get(_PREFIX + name) for name in Parameters.__dataclass_fields__}
    return None if None in values.values() else Parameters(**values)
