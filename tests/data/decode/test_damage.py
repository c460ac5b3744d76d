"""Truncated and damaged files are rejected, never decoded to part of an image."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

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


FILES = {
    "png": pillow(GRAY, "PNG"),
    "png, palette": pillow(Image.fromarray(GRAY).convert("P"), "PNG"),
    "png, interlaced": interlaced_png(GRAY),
    "jpeg": pillow(GRAY, "JPEG", quality=90),
    "jpeg, progressive": pillow(COLOR, "JPEG", progressive=True),
    "jpeg, with restarts": pillow(GRAY, "JPEG", restart_marker_rows=1),
    "tiff": tiff(GRAY),
    "tiff, directory first": pillow(GRAY, "TIFF"),
    "tiff, 16 bits": tiff(GRAY.astype(np.uint16)),
    "bmp": pillow(GRAY, "BMP"),
    "jpeg 2000": pillow(GRAY, "JPEG2000"),
}


@pytest.mark.parametrize("kind", FILES)
def test_truncated_file_is_rejected(kind: str) -> None:
    whole = FILES[kind]
    positions = sorted(
        {*range(0, len(whole), max(1, len(whole) // 150)), *range(len(whole) - 40, len(whole))}
    )
    for position in positions:
        with pytest.raises(DecodeError):
            decode_image(whole[:position])


@pytest.mark.parametrize("kind", ["png", "jpeg", "jpeg, progressive", "jpeg 2000"])
def test_copy_that_ends_in_zeros_is_rejected(kind: str) -> None:
    whole = FILES[kind]
    half = len(whole) // 2
    with pytest.raises(DecodeError):
        decode_image(whole[:half] + bytes(len(whole) - half))


@settings(max_examples=60, deadline=None)
@given(position=st.integers(0, len(FILES["png"]) - 1), value=st.integers(1, 255))
def test_changed_byte_of_a_png_gives_the_same_image_or_an_error(position: int, value: int) -> None:
    data = bytearray(FILES["png"])
    data[position] ^= value
    try:
        pixels = decode_image(bytes(data)).pixels
    except DecodeError:
        return
    np.testing.assert_array_equal(pixels, GRAY)


def test_bytes_after_the_image_are_ignored() -> None:
    for kind in ("png", "jpeg"):
        expected = decode_image(FILES[kind]).pixels
        np.testing.assert_array_equal(decode_image(FILES[kind] + b"more").pixels, expected)


def test_truncated_jpeg_with_a_complete_thumbnail_is_rejected() -> None:
    exif = Image.Exif()
    exif[0x9286] = pillow(GRAY, "JPEG")
    whole = pillow(GRAY, "JPEG", exif=exif)
    with pytest.raises(DecodeError, match="cut off"):
        decode_image(whole[:-40])
