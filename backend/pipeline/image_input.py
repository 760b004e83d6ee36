"""Image files as artists have them, to 8-bit sRGB with straight alpha."""

from __future__ import annotations

import io
import struct
import warnings

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageCms, ImageOps

from backend.errors import ImageError

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")
"""Pillow's names of what is read. Nothing else is tried: a decoder is code that runs on a stranger's file."""
MIN_SIDE = 32
MAX_SIDE = 16_384
MAX_PIXELS = 64_000_000
"""64 megapixels: 256 MB as RGBA, which still fits beside the networks in 4 GB."""

_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, struct.error, IndexError)
"""What Pillow's decoders raise on broken files."""


def read_image(data: bytes) -> UInt8[np.ndarray, "h w 4"]:
    """Decode an image file: upright (EXIF), sRGB, straight alpha (255 where the file has none).

    16-bit and palette images, grey, LA and CMYK are converted; an embedded colour profile is applied, and
    without one sRGB is assumed. Of an animation or a multi-page file the first picture is taken.

    Raises:
        ImageError: empty, not one of FORMATS, damaged, or a size outside MIN_SIDE, MAX_SIDE, MAX_PIXELS. The
            size is judged from the header, before anything is decoded.
    """
    if not data:
        raise ImageError("The image file is empty (0 bytes). Export it again, then retry.")
    image = _open(data)
    _check_size(*image.size)
    try:
        image.load()
        image = ImageOps.exif_transpose(image)
    except _DAMAGE as error:
        raise ImageError(
            f"The {image.format} image is damaged or cut off ({error}). Copy or export the file again."
        ) from error
    return np.asarray(_to_srgb(image))


def _open(data: bytes) -> Image.Image:
    try:
        with warnings.catch_warnings():
            # Pillow warns from 89 megapixels on; our own limit is lower and is checked next.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            return Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise ImageError(_too_large(str(error))) from error
    except _DAMAGE as error:
        raise ImageError(
            f"These {len(data):,} bytes are not an image that can be read. "
            f"Wanted: one of {', '.join(FORMATS)}. Save the image as PNG, then retry."
        ) from error


def _check_size(width: int, height: int) -> None:
    if min(width, height) < MIN_SIDE:
        raise ImageError(
            f"The image has {width} x {height} pixels; each side needs at least {MIN_SIDE}. "
            "Use a larger picture of the object (512 pixels or more work well)."
        )
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise ImageError(_too_large(f"{width:,} x {height:,} pixels"))


def _too_large(given: str) -> str:
    return (
        f"The image is too large: {given}. At most {MAX_SIDE:,} pixels a side and {MAX_PIXELS // 1_000_000} "
        "megapixels are read. Scale it down (1024 pixels are enough), then retry."
    )


def _to_srgb(image: Image.Image) -> Image.Image:
    """Any mode that FORMATS can bring to RGBA; the colour profile applied where there is one."""
    profile = image.info.get("icc_profile")
    if image.mode in ("I", "I;16", "I;16B", "I;16L"):
        # Pillow clips such images at 255 when it converts them, hence by hand: 65535 -> 255.
        wide = np.asarray(image).astype(np.int64)
        image = Image.fromarray((np.clip(wide, 0, 65535) // 257).astype(np.uint8))
    elif image.mode in ("F", "LAB", "HSV"):
        raise ImageError(
            f"Images in the mode {image.mode} are not read. Save it as an 8-bit RGB PNG, then retry."
        )
    elif image.mode in ("P", "PA", "1", "La", "RGBa", "RGBX", "YCbCr") or "transparency" in image.info:
        image = image.convert("RGBA")
    alpha = image.getchannel("A") if "A" in image.getbands() else None
    colour = image.convert({"LA": "L", "RGBA": "RGB"}.get(image.mode, image.mode))
    rgb = _apply_profile(colour, profile) if profile else colour.convert("RGB")
    rgb.putalpha(alpha if alpha is not None else 255)
    return rgb


def _apply_profile(image: Image.Image, profile: bytes) -> Image.Image:
    """To sRGB by the embedded profile; a profile that is broken or for other channels counts as absent."""
    try:
        embedded = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if ImageCms.getProfileDescription(embedded).startswith("sRGB"):
            return image.convert("RGB")
        converted = ImageCms.profileToProfile(
            image, embedded, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError):
        return image.convert("RGB")
    return converted if converted is not None else image.convert("RGB")
