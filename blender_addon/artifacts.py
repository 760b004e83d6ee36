"""The names of the files that a job may hand over, and the check of the one that Blender parses."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

from .errors import UnsafeAnswerError

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
"""Whatever else a backend offers is never fetched."""

_GLB_HEADER = struct.Struct("<4sII")
_CHUNK_HEADER = struct.Struct("<I4s")


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
