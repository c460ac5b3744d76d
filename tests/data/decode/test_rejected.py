"""Files that are not one supported image are rejected, with an error that says what they are."""

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


def bmp_of_os2(width: int, height: int, lines: bytes = b"") -> bytes:
    """A BMP with the 12-byte header of OS/2: a gray palette, stored from the bottom row."""
    palette = bytes(value for gray in range(256) for value in (gray,) * 3)
    start = 26 + len(palette)
    head = b"BM" + struct.pack("<IHHI", start + len(lines), 0, 0, start)
    return head + struct.pack("<IHHHH", 12, width, height, 1, 8) + palette + lines


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", "empty"),
        (bytes(500), "zero bytes"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "web page"),
        (b"\n <HTML>", "web page"),
        (b"patient,age\n1,50\n", "text"),
        (bytes(128) + b"DICM" + b"\2\0\0\0", "DICOM"),
        (b"\x1f\x8b\x08" + bytes(9), "gzip"),
        (b"PK\x03\x04" + bytes(9), "ZIP"),
        (b"%PDF-1.7", "PDF"),
        (pillow(GRAY, "GIF"), "GIF"),
        (pillow(GRAY, "WEBP"), "WebP"),
        (b"\x07\x91\xfe\xff" * 9, "first bytes are 07 91 fe ff"),
        (b"\x89PNG\r\n\x1a\n", "ends inside its header"),
    ],
)
def test_error_says_what_a_file_is_that_is_not_an_image(data: bytes, found: str) -> None:
    with pytest.raises(DecodeError, match=found):
        decode_image(data)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (pillow(COLOR, "PNG", save_all=True, append_images=[Image.fromarray(255 - COLOR)]), "animated PNG"),
        (tiff(np.stack([GRAY, GRAY]), photometric="minisblack"), "2 pages"),
        (tiff(GRAY.astype(np.int16) * 100), "int16"),
        (tiff(GRAY.astype(np.uint32)), "uint32"),
        (tiff(GRAY.astype(np.float32)), "0..1"),
        (tiff(np.where(GRAY > 30, np.nan, 0.5).astype(np.float32)), "0..1"),
        (tiff(GRAY.astype(np.float16)), "16-bit floating-point"),
        (tiff(np.dstack([GRAY] * 4).astype(np.uint16), photometric="separated"), "CMYK of 16 bits"),
        (tiff(COLOR / 255, photometric="rgb"), "3 samples of 64 bits"),
        (tiff(GRAY, compression="zstd"), r"compression 50000 \(Zstandard\)"),
        (tiff(GRAY, compression="lzma"), r"compression 34925 \(LZMA\)"),
        (tiff(GRAY, compression="jpeg2000"), r"compression 34712 \(JPEG 2000\)"),
        (tiff(GRAY, compression="png"), r"compression 34933 \(unknown\)"),
        (bmp_of_os2(0, 9), "0 x 9 pixels"),
        (pillow(GRAY, "BMP")[:18] + struct.pack("<ii", -90, 60) + pillow(GRAY, "BMP")[26:], "-90 x 60"),
        (tiff(np.dstack([COLOR, ALPHA]), photometric="rgb", extrasamples=["unassalpha"]), "alpha"),
        (
            tiff(np.moveaxis(COLOR.astype(np.uint16), -1, 0), photometric="rgb", planarconfig="separate"),
            "separate planes",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_unsupported_and_ambiguous_images_are_rejected(data: bytes, why: str) -> None:
    with pytest.raises(DecodeError, match=why):
        decode_image(data)


def test_thumbnail_page_of_a_tiff_is_not_a_second_page() -> None:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        writer.write(GRAY)
        writer.write(GRAY[::4, ::4].copy(), subfiletype=1)
    np.testing.assert_array_equal(decode_image(buffer.getvalue()).pixels, GRAY)


def test_header_that_declares_too_many_pixels_is_rejected_before_decoding(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("it was decoded"))
    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 0, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    with pytest.raises(DecodeError, match="60000 x 60000 pixels"):
        decode_image(bomb)
