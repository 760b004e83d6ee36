"""The names of the files that a job may hand over, and the check of the one that Blender parses."""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path
from typing import Any

from .errors import UnsafeAnswerError
from .protocol import LIMITS, JobRequest

VIEW_COUNT = 6
ASSET = "asset.glb"
FOREGROUND = "foreground.png"
REPORT = "report.json"
MAPS = tuple(f"maps/{kind}.png" for kind in ("base_color", "roughness", "metallic", "normal"))
RGB_VIEWS = tuple(f"views/rgb_{index}.png" for index in range(VIEW_COUNT))
NORMAL_VIEWS = tuple(f"views/normal_{index}.png" for index in range(VIEW_COUNT))
PREVIEWS = frozenset((FOREGROUND, *RGB_VIEWS, *NORMAL_VIEWS))
"""Shown while the job still runs."""
ALL = frozenset((ASSET, REPORT, *MAPS, *PREVIEWS))
"""Of one asset. Whatever else a backend offers is never fetched."""

_VARIANT = re.compile(r"variant_\d\d/")
_GLB_HEADER = struct.Struct("<4sII")
_CHUNK_HEADER = struct.Struct("<I4s")


def own_name(name: str) -> str:
    """An artifact's name without the folder of the variant that it belongs to, if it belongs to one."""
    return _VARIANT.sub("", name, count=1) if _VARIANT.match(name) else name


def seed_of_result(folder: Path, request: JobRequest) -> int:
    """The seed with which a finished job's result was made: of several variants, that of the best.

    Raises:
        UnsafeAnswerError: the report does not tell it.
    """
    if request.variants == 1:
        return request.seed
    try:
        seed = json.loads((folder / REPORT).read_text(encoding="utf-8"))["seed"]
        if not (isinstance(seed, int) and LIMITS["seed"].low <= seed <= LIMITS["seed"].high):
            raise ValueError(f"it says {str(seed)[:40]!r}")
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise UnsafeAnswerError(f"The backend's report does not tell the asset's seed: {error}.") from error
    return seed


def check_glb(path: Path) -> None:
    """Refuse a GLB that is damaged or that points outside itself.

    glTF lets buffers and images name any file or address in a `uri`; an importer follows it. Bozzetto's own
    assets are self-contained, so any `uri` at all means that the file is not one of them.

    Raises:
        UnsafeAnswerError: not a self-contained binary glTF 2.0.
    """
    data = path.read_bytes()
    if len(data) < _GLB_HEADER.size + _CHUNK_HEADER.size:
        raise UnsafeAnswerError(f"The backend's {path.name} is too short to be an asset: refused.")
    magic, version, length = _GLB_HEADER.unpack_from(data)
    chunk_length, chunk_type = _CHUNK_HEADER.unpack_from(data, _GLB_HEADER.size)
    start = _GLB_HEADER.size + _CHUNK_HEADER.size
    if (magic, version, length, chunk_type) != (b"glTF", 2, len(data), b"JSON"):
        raise UnsafeAnswerError(f"The backend's {path.name} is not a binary glTF 2.0; it was not imported.")
    try:
        document = json.loads(data[start : start + chunk_length])
    except (ValueError, RecursionError) as error:
        raise UnsafeAnswerError(f"The backend's {path.name} has a damaged header: {error}.") from error
    if (address := _first_uri(document)) is not None:
        raise UnsafeAnswerError(
            f"The backend's {path.name} refers to another file ({address[:80]!r}); it was not imported."
        )


def _first_uri(document: Any) -> str | None:
    waiting = [document]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            if "uri" in node:
                return str(node["uri"])
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)
    return None
