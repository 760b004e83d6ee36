"""The smallest files that a job can hand over: a textured cube, PNGs, a report. Standard library only."""

from __future__ import annotations

import json
import struct
import zlib
from typing import Any

_FACES = (
    ((1, 0, 0), (0, 0, -1), (0, 1, 0)),
    ((-1, 0, 0), (0, 0, 1), (0, 1, 0)),
    ((0, 1, 0), (1, 0, 0), (0, 0, -1)),
    ((0, -1, 0), (1, 0, 0), (0, 0, 1)),
    ((0, 0, 1), (1, 0, 0), (0, 1, 0)),
    ((0, 0, -1), (-1, 0, 0), (0, 1, 0)),
)
"""Normal, then the directions in which u and v grow."""

REPORT = {
    "pack": "nano",
    "seed": 0,
    "vertices": 24,
    "faces": 12,
    "reference_camera": {
        # One metre tall, seen from 3 m in front at half its height.
        "camera_to_world": [[1, 0, 0, 0], [0, 1, 0, 0.5], [0, 0, 1, 3.0], [0, 0, 0, 1]],
        "focal": 3.0,
        "centre": [0.0, 0.0],
    },
}


def png(colour: tuple[int, ...], size: int = 8) -> bytes:
    """One flat colour, grey, RGB or RGBA by the number of its channels."""
    kind = {1: 0, 3: 2, 4: 6}[len(colour)]
    rows = (b"\0" + bytes(colour) * size) * size
    header = struct.pack(">IIBBBBB", size, size, 8, kind, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


def cube_glb(change: dict[str, Any] | None = None) -> bytes:
    """A cube of side 1 m standing on its origin, with the three textures of glTF's metallic-roughness.

    Args:
        change: top-level glTF keys to add or replace, to make a broken or hostile file.
    """
    positions, normals, uvs, indices = [], [], [], []
    for number, (normal, u, v) in enumerate(_FACES):
        for along_u, along_v in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
            corner = [(normal[i] + along_u * u[i] + along_v * v[i]) / 2 for i in range(3)]
            positions.append((corner[0], corner[1] + 0.5, corner[2]))
            normals.append(normal)
            uvs.append(((along_u + 1) / 2, (1 - along_v) / 2))
        indices += [4 * number + i for i in (0, 1, 2, 0, 2, 3)]
    parts = [
        struct.pack("<72f", *(x for row in positions for x in row)),
        struct.pack("<72f", *(x for row in normals for x in row)),
        struct.pack("<48f", *(x for row in uvs for x in row)),
        struct.pack("<36H", *indices),
        png((200, 60, 30)),
        png((0, 128, 255)),
        png((128, 128, 255)),
    ]
    views, binary = [], b""
    for part in parts:
        views.append({"buffer": 0, "byteOffset": len(binary), "byteLength": len(part)})
        binary += part + b"\0" * (-len(part) % 4)
    document = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"name": "asset", "mesh": 0}],
        "meshes": [
            {
                "primitives": [
                    {"attributes": {"POSITION": 0, "NORMAL": 1, "TEXCOORD_0": 2}, "indices": 3, "material": 0}
                ]
            }
        ],
        "materials": [
            {
                "pbrMetallicRoughness": {
                    "baseColorTexture": {"index": 0},
                    "metallicRoughnessTexture": {"index": 1},
                },
                "normalTexture": {"index": 2},
            }
        ],
        "textures": [{"source": index} for index in range(3)],
        "images": [{"bufferView": 4 + index, "mimeType": "image/png"} for index in range(3)],
        "accessors": [
            {
                "bufferView": 0,
                "componentType": 5126,
                "count": 24,
                "type": "VEC3",
                "min": [-0.5, 0.0, -0.5],
                "max": [0.5, 1.0, 0.5],
            },
            {"bufferView": 1, "componentType": 5126, "count": 24, "type": "VEC3"},
            {"bufferView": 2, "componentType": 5126, "count": 24, "type": "VEC2"},
            {"bufferView": 3, "componentType": 5123, "count": 36, "type": "SCALAR"},
        ],
        "bufferViews": views,
        "buffers": [{"byteLength": len(binary)}],
        **(change or {}),
    }
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    body = (
        struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(binary), b"BIN\0") + binary
    )
    return struct.pack("<4sII", b"glTF", 2, 12 + len(body)) + body


def asset_files() -> dict[str, bytes]:
    """All artifacts of one finished job, by name."""
    files = {"asset.glb": cube_glb(), "report.json": json.dumps(REPORT).encode()}
    files["foreground.png"] = png((200, 60, 30, 255))
    for index in range(6):
        files[f"views/rgb_{index}.png"] = png((200, 40 * index, 30))
        files[f"views/normal_{index}.png"] = png((128, 40 * index, 255))
    for name, colour in (
        ("base_color", (200, 60, 30)),
        ("roughness", (128,)),
        ("metallic", (255,)),
        ("normal", (128, 128, 255)),
    ):
        files[f"maps/{name}.png"] = png(colour)
    return files
