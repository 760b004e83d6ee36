"""Every kind of image file an artist may drop in, good and bad."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from backend.errors import ImageError
from backend.pipeline.image_input import MAX_SIDE, MIN_SIDE, read_image


def encoded(image: Image.Image, file_format: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def picture(width: int = 48, height: int = 40) -> Image.Image:
    """Red above, blue below, with a green left edge."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2] = (200, 30, 30)
    pixels[height // 2 :] = (30, 30, 200)
    pixels[:, : width // 4] = (30, 160, 30)
    return Image.fromarray(pixels)


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0"))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("file_format", ["PNG", "BMP", "TIFF", "GIF", "WEBP", "JPEG"])
def test_formats_decode_to_opaque_srgb(file_format: str) -> None:
    options = (
        {"lossless": True} if file_format == "WEBP" else {"quality": 95} if file_format == "JPEG" else {}
    )
    decoded = read_image(encoded(picture(), file_format, **options))
    assert decoded.shape == (40, 48, 4)
    assert decoded.dtype == np.uint8
    assert (decoded[..., 3] == 255).all()
    assert np.abs(decoded[5, 40, :3].astype(int) - (200, 30, 30)).max() <= 6


def test_exif_orientation_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show it rotated by 90 degrees clockwise
    decoded = read_image(encoded(picture(), "JPEG", exif=exif, quality=95))
    assert decoded.shape == (48, 40, 4)
    assert decoded[2, 20, 1] > 120  # the green left edge is now the top edge
    assert decoded[40, 2, 2] > 150  # the blue bottom is now on the left


def test_sixteen_bit_grey_keeps_its_middle() -> None:
    ramp = np.linspace(0, 65535, 64).astype(np.uint16)[None].repeat(40, axis=0)
    decoded = read_image(encoded(Image.fromarray(ramp)))
    assert np.abs(decoded[0, :, 0].astype(int) - np.linspace(0, 255, 64)).max() <= 1
    assert (decoded[..., 0] == decoded[..., 2]).all()


def test_sixteen_bit_rgb_png() -> None:
    import cv2

    wide = np.asarray(picture()).astype(np.uint16) * 257
    data = cv2.imencode(".png", wide[..., ::-1])[1].tobytes()
    np.testing.assert_allclose(read_image(data)[..., :3], np.asarray(picture()), atol=1)


def test_palette_transparency_becomes_alpha() -> None:
    palette = picture().convert("P", palette=Image.Palette.ADAPTIVE, colors=4)
    hidden = palette.getpixel((0, 0))
    decoded = read_image(encoded(palette, transparency=hidden))
    assert (decoded[:, :12, 3] == 0).all()
    assert (decoded[:, 12:, 3] == 255).all()


def test_colour_key_transparency_becomes_alpha() -> None:
    decoded = read_image(encoded(picture(), transparency=(30, 160, 30)))
    assert decoded[0, 0, 3] == 0
    assert decoded[0, 40, 3] == 255


def test_grey_with_alpha() -> None:
    grey, alpha = Image.new("L", (40, 40), 90), Image.new("L", (40, 40), 128)
    decoded = read_image(encoded(Image.merge("LA", (grey, alpha))))
    assert decoded[0, 0].tolist() == [90, 90, 90, 128]


def test_bilevel_and_cmyk() -> None:
    assert read_image(encoded(picture().convert("1"))).shape == (40, 48, 4)
    cmyk = read_image(encoded(picture().convert("CMYK"), "TIFF"))
    assert np.abs(cmyk[5, 40, :3].astype(int) - (200, 30, 30)).max() <= 3


def test_embedded_profile_is_applied() -> None:
    lab_like = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ"))
    plain = read_image(encoded(picture()))
    with_srgb = read_image(
        encoded(picture(), icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    )
    np.testing.assert_array_equal(plain, with_srgb)
    # A profile that does not fit the channels, or that is no profile at all, leaves sRGB assumed.
    np.testing.assert_array_equal(plain, read_image(encoded(picture(), icc_profile=lab_like.tobytes())))
    np.testing.assert_array_equal(plain, read_image(encoded(picture(), icc_profile=b"not a profile")))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b"this is a text file, not a picture", "not an image"),
        (png_header(8, 8), f"at least {MIN_SIDE}"),
        (png_header(20_000, 20_000), "too large"),
        (png_header(9_000, 11_000), "too large"),
        (png_header(MAX_SIDE + 1, 64), "too large"),
        (b"%PDF-1.4 %not ours", "not an image"),
    ],
)
def test_refused_before_decoding(data: bytes, says: str) -> None:
    with pytest.raises(ImageError, match=says):
        read_image(data)


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_truncated_files_are_refused(file_format: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (96, 96, 3), dtype=np.uint8)
    whole = encoded(Image.fromarray(noise), file_format)
    with pytest.raises(ImageError, match=r"damaged|not an image"):
        read_image(whole[: int(len(whole) * share)])


def test_float_images_are_refused_with_advice() -> None:
    floating = Image.fromarray(np.zeros((40, 40), np.float32))
    with pytest.raises(ImageError, match="8-bit RGB PNG"):
        read_image(encoded(floating, "TIFF"))
