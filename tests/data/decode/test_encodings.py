"""Every supported encoding of an image: the same 8-bit gray pixels."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from PIL import Image, ImageOps

from cxr.data.decode.options import DecodeOptions
from cxr.data.decode.reader import decode_image
from cxr.errors import DecodeError

Pixels = npt.NDArray[Any]


def image(height: int = 60, width: int = 90) -> npt.NDArray[np.uint8]:
    """A gray image in which no row, column or corner equals another."""
    rows, columns = np.mgrid[:height, :width]
    noise = np.random.default_rng(0).integers(0, 40, (height, width))
    return np.asarray((rows * 1.7 + columns * 0.9 + noise).clip(0, 255), np.uint8)


GRAY = image()
COLOR = np.dstack([GRAY, np.roll(GRAY, 7, 0), 255 - GRAY])
ALPHA = np.random.default_rng(1).integers(0, 256, GRAY.shape).astype(np.uint8)


def pillow(pixels: Pixels | Image.Image, kind: str, **options: Any) -> bytes:
    source = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    buffer = io.BytesIO()
    source.save(buffer, kind, **options)
    return buffer.getvalue()


def tiff(pixels: Pixels, **options: Any) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, pixels, **options)
    return buffer.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def interlaced_png(pixels: Pixels) -> bytes:
    """Write Adam7 interlacing, which Pillow reads but does not write."""
    passes = [
        (0, 0, 8, 8),
        (0, 4, 8, 8),
        (4, 0, 8, 4),
        (0, 2, 4, 4),
        (2, 0, 4, 2),
        (0, 1, 2, 2),
        (1, 0, 2, 1),
    ]
    rows = b"".join(
        b"\0" + row.tobytes() for top, left, down, right in passes for row in pixels[top::down, left::right]
    )
    header = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], 8, 0, 0, 0, 1)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def luma(color: Pixels) -> npt.NDArray[np.float64]:
    """ITU-R 601, before rounding."""
    return np.asarray(color[..., :3] @ np.array([0.299, 0.587, 0.114]))


def twelve_bits(pixels: npt.NDArray[np.uint16]) -> bytes:
    """A JPEG 2000 codestream that declares 12 bits: 16-bit samples, shifted and relabeled."""
    shifted = Image.fromarray(pixels + np.uint16(32768 - 2048))
    data = bytearray(pillow(shifted, "JPEG2000", no_jp2=True))
    size = data.index(b"\xff\x51")
    assert data[size + 40] == 15
    data[size + 40] = 11
    return bytes(data)


def bmp_of_os2(width: int, height: int, lines: bytes = b"") -> bytes:
    """A BMP with the 12-byte header of OS/2: a gray palette, stored from the bottom row."""
    palette = bytes(value for gray in range(256) for value in (gray,) * 3)
    start = 26 + len(palette)
    head = b"BM" + struct.pack("<IHHI", start + len(lines), 0, 0, start)
    return head + struct.pack("<IHHHH", 12, width, height, 1, 8) + palette + lines


def bmp_from_the_top() -> bytes:
    data = pillow(GRAY[::-1], "BMP")
    return data[:22] + struct.pack("<i", -60) + data[26:]


SAME_IMAGE: dict[str, bytes] = {
    "png": pillow(GRAY, "PNG"),
    "png, interlaced": interlaced_png(GRAY),
    "png, gray and alpha": pillow(Image.fromarray(np.dstack([GRAY, ALPHA]), "LA"), "PNG"),
    "png, equal colors": pillow(np.dstack([GRAY] * 3), "PNG"),
    "png, equal colors and alpha": pillow(np.dstack([GRAY, GRAY, GRAY, ALPHA]), "PNG"),
    "png, palette": pillow(Image.fromarray(GRAY).convert("P"), "PNG"),
    "png, gray with a transparent value": pillow(GRAY, "PNG", transparency=100),
    "png, 16 bits": pillow(GRAY.astype(np.uint16) * 257, "PNG"),
    "png, 16-bit equal colors": cv2.imencode(".png", np.dstack([GRAY.astype(np.uint16) * 257] * 3))[
        1
    ].tobytes(),
    "tiff": tiff(GRAY),
    "tiff, big": tiff(GRAY, bigtiff=True),
    "tiff, big endian 16 bits": tiff(GRAY.astype(np.uint16) * 257, byteorder=">"),
    "tiff, tiles": tiff(GRAY, tile=(32, 32)),
    "tiff, lzw": pillow(GRAY, "TIFF", compression="tiff_lzw"),
    "tiff, deflate": pillow(GRAY, "TIFF", compression="tiff_adobe_deflate"),
    "tiff, white is 0": tiff(255 - GRAY, photometric="miniswhite"),
    "tiff, white is 0, 16 bits": tiff(65535 - GRAY.astype(np.uint16) * 257, photometric="miniswhite"),
    "tiff, float": tiff((GRAY / 255).astype(np.float32)),
    "tiff, double": tiff(GRAY / 255),
    "tiff, gray and alpha": pillow(Image.fromarray(np.dstack([GRAY, ALPHA]), "LA"), "TIFF"),
    "bmp": pillow(GRAY, "BMP"),
    "bmp of OS/2": bmp_of_os2(90, 60, np.pad(GRAY[::-1], ((0, 0), (0, 2))).tobytes()),
    "bmp, top line first": bmp_from_the_top(),
    "jpeg 2000": pillow(GRAY, "JPEG2000"),
    "jpeg 2000, bare": pillow(GRAY, "JPEG2000", no_jp2=True),
    "jpeg 2000, gray and alpha": pillow(Image.fromarray(np.dstack([GRAY, ALPHA]), "LA"), "JPEG2000"),
    "jpeg 2000, 16 bits": pillow(GRAY.astype(np.uint16) * 257, "JPEG2000"),
}


@pytest.mark.parametrize("kind", SAME_IMAGE)
def test_every_lossless_encoding_gives_the_same_gray_image(kind: str) -> None:
    decoded = decode_image(SAME_IMAGE[kind])
    assert decoded.pixels.dtype == np.uint8
    assert decoded.pixels.flags.c_contiguous
    np.testing.assert_array_equal(decoded.pixels, GRAY)


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_gray_jpeg_gives_the_pixels_of_pillow(options: dict[str, Any]) -> None:
    data = pillow(GRAY, "JPEG", quality=90, **options)
    np.testing.assert_array_equal(decode_image(data).pixels, np.array(Image.open(io.BytesIO(data))))


@pytest.mark.parametrize(
    "data",
    [
        pillow(COLOR, "PNG"),
        pillow(np.dstack([COLOR, ALPHA]), "PNG"),
        pillow(COLOR, "TIFF"),
        tiff(np.moveaxis(COLOR, -1, 0).copy(), photometric="rgb", planarconfig="separate"),
        pillow(COLOR, "BMP"),
        pillow(COLOR, "JPEG2000"),
    ],
    ids=["png", "png with alpha", "tiff", "tiff in planes", "bmp", "jpeg 2000"],
)
def test_color_becomes_luma_and_alpha_is_dropped(data: bytes) -> None:
    assert np.abs(decode_image(data).pixels - luma(COLOR)).max() <= 0.51


def test_equal_color_channels_keep_every_gray_value() -> None:
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    pixels = decode_image(pillow(np.dstack([ramp] * 3), "PNG")).pixels
    np.testing.assert_array_equal(pixels, ramp)


@pytest.mark.parametrize("mode", ["CMYK", "RGB"])
def test_color_jpeg_is_close_to_pillow(mode: str) -> None:
    data = pillow(Image.fromarray(cv2.GaussianBlur(COLOR, (0, 0), 3)).convert(mode), "JPEG", quality=95)
    expected = np.array(Image.open(io.BytesIO(data)).convert("L"), np.int16)
    assert np.abs(decode_image(data).pixels - expected).max() <= 2


def test_color_palette_is_close_to_pillow() -> None:
    data = pillow(Image.fromarray(COLOR).quantize(64), "PNG")
    expected = np.array(Image.open(io.BytesIO(data)).convert("RGB").convert("L"), np.int16)
    assert np.abs(decode_image(data).pixels - expected).max() <= 1


def test_1_bit_images_are_black_and_white() -> None:
    source = Image.fromarray(GRAY).convert("1")
    for data in (pillow(source, "PNG"), pillow(source, "TIFF", compression="group4"), pillow(source, "BMP")):
        np.testing.assert_array_equal(decode_image(data).pixels, np.array(source) * np.uint8(255))


def test_16_bit_samples_are_scaled_and_rounded_to_nearest() -> None:
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    pixels = decode_image(pillow(values, "PNG")).pixels
    np.testing.assert_array_equal(pixels, np.rint(values.astype(np.float64) * 255 / 65535))


def test_samples_of_12_declared_bits_are_scaled_from_12_bits() -> None:
    values = np.asarray(GRAY.astype(np.uint16) * 16 + GRAY // 16, np.uint16)
    np.testing.assert_array_equal(decode_image(twelve_bits(values)).pixels, GRAY)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_orientation_tag_is_applied(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    options: dict[str, Any] = {"tiffinfo": {274: orientation}} if kind == "TIFF" else {"exif": exif}
    data = pillow(GRAY, kind, **options)
    upright = np.array(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("L"))
    np.testing.assert_array_equal(decode_image(data).pixels, upright)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_tag_of_a_16_bit_tiff_is_applied(orientation: int) -> None:
    data = tiff(GRAY.astype(np.uint16) * 257, extratags=[(274, "H", 1, orientation, True)])
    rotated = Image.fromarray(GRAY)
    rotated.getexif()[274] = orientation
    np.testing.assert_array_equal(decode_image(data).pixels, np.array(ImageOps.exif_transpose(rotated)))


@pytest.mark.parametrize("kind", [kind for kind in SAME_IMAGE if "float" not in kind])
def test_pixel_limit_holds_for_every_format(kind: str) -> None:
    decode_image(SAME_IMAGE[kind], DecodeOptions(GRAY.size))
    with pytest.raises(DecodeError, match="90 x 60 pixels"):
        decode_image(SAME_IMAGE[kind], DecodeOptions(GRAY.size - 1))
