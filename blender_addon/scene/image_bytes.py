"""A Blender image to what the backend takes: the bytes of an image file."""

from __future__ import annotations

import tempfile
from pathlib import Path

import bpy

from ..errors import ImageError


def image_source(image: bpy.types.Image) -> bytes | Path:
    """The image's original file where it has one (read later, off the main thread), else its pixels as PNG.

    The original keeps what Blender drops: bit depth, orientation, embedded profile.

    Raises:
        ImageError: the image has neither file nor pixels.
    """
    if image.source == "FILE" and not image.is_dirty:
        if image.packed_file is not None:
            return bytes(image.packed_file.data)
        path = Path(bpy.path.abspath(image.filepath, library=image.library))
        if path.is_file():
            return path
        raise ImageError(f"{image.name}: its file {path} is gone. Choose another image.")
    if not image.has_data and image.source != "GENERATED":
        raise ImageError(f"{image.name} has no pixels. Choose another image.")
    return _as_png(image)


def _as_png(image: bpy.types.Image) -> bytes:
    copy = image.copy()
    try:
        copy.file_format = "PNG"
        with tempfile.TemporaryDirectory(prefix="bozzetto-") as folder:
            path = Path(folder) / "image.png"
            copy.save(filepath=str(path))
            return path.read_bytes()
    except RuntimeError as error:
        raise ImageError(f"{image.name} cannot be saved as PNG: {error}") from error
    finally:
        bpy.data.images.remove(copy)
