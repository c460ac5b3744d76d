"""The strict JPEG decoder: OpenCV's pixels for an intact file, an error where libjpeg only warns."""

from __future__ import annotations

import io
from typing import Any

import cv2
import imagecodecs
import numpy as np
import pytest
from PIL import Image

from cxr.data.decode.codestream import read_jpeg_frame
from cxr.data.decode.jpeg import decode_strictly
from cxr.data.decode.reader import decode_image
from cxr.errors import DecodeError

NOISE = np.random.default_rng(0).integers(0, 256, (203, 301, 3), np.uint8)
COLOR = cv2.normalize(cv2.GaussianBlur(NOISE, (0, 0), 2), None, 0, 255, cv2.NORM_MINMAX)
GRAY = np.ascontiguousarray(COLOR[..., 0])


def pillow(pixels: Any, mode: str | None = None, **options: Any) -> bytes:
    buffer = io.BytesIO()
    source = Image.fromarray(pixels)
    (source.convert(mode) if mode else source).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def opencv(data: bytes) -> Any:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_ANYDEPTH | cv2.IMREAD_ANYCOLOR)


def gray_with_sampling(factors: int) -> bytes:
    """A gray JPEG with sampling factors, which are meaningless for one component."""
    data = bytearray(pillow(GRAY))
    data[data.index(b"\xff\xc0") + 11] = factors
    return bytes(data)


INTACT = {
    "gray": pillow(GRAY),
    "gray, progressive": pillow(GRAY, progressive=True),
    "gray, restarts": pillow(GRAY, restart_marker_rows=1),
    "gray, sampled 2 x 2": gray_with_sampling(0x22),
    "color, 444": pillow(COLOR, subsampling=0),
    "color, 422": pillow(COLOR, subsampling=1),
    "color, 420": pillow(COLOR, subsampling=2),
    "color, progressive": pillow(COLOR, progressive=True),
    "color, stored as RGB": pillow(COLOR, keep_rgb=True),
    "bytes after the end": pillow(GRAY) + b"more",
}


@pytest.mark.parametrize("kind", INTACT)
def test_intact_jpeg_gives_the_pixels_of_opencv(kind: str) -> None:
    np.testing.assert_array_equal(decode_strictly(INTACT[kind]), opencv(INTACT[kind]))


def zeroed(data: bytes) -> bytes:
    middle, quarter = len(data) // 2, len(data) // 4
    return data[:middle] + bytes(quarter) + data[middle + quarter :]


def halved(data: bytes) -> bytes:
    return data[: len(data) // 2] + b"\xff\xd9"


EXIF = Image.Exif()
EXIF[274] = 6
LEFT_TO_OPENCV = {
    "cmyk": pillow(COLOR, "CMYK"),
    "ycck": imagecodecs.jpeg8_encode(np.dstack([COLOR, GRAY]), colorspace="CMYK", outcolorspace="YCCK"),
    "rotated": pillow(GRAY, exif=EXIF),
}


@pytest.mark.parametrize("damage", [zeroed, halved])
@pytest.mark.parametrize("kind", [*INTACT, *LEFT_TO_OPENCV])
def test_damaged_jpeg_is_rejected(kind: str, damage: Any) -> None:
    with pytest.raises(DecodeError, match="a JPEG that is damaged"):
        decode_image(damage((INTACT | LEFT_TO_OPENCV)[kind]))


@pytest.mark.parametrize("kind", LEFT_TO_OPENCV)
def test_cmyk_and_exif_are_left_to_opencv(kind: str) -> None:
    assert decode_strictly(LEFT_TO_OPENCV[kind]) is None
    decode_image(LEFT_TO_OPENCV[kind])


def test_warning_that_does_not_concern_the_pixels_is_ignored() -> None:
    data = bytearray(pillow(GRAY))
    data[11] = 3  # the major revision of JFIF
    np.testing.assert_array_equal(decode_image(bytes(data)).pixels, opencv(pillow(GRAY)))


def test_jpeg_of_too_many_scans_is_rejected_before_decoding() -> None:
    data = pillow(GRAY, progressive=True)
    last = data.rindex(b"\xff\xda")
    bomb = data[:last] + data[last:-2] * 101 + data[-2:]
    with pytest.raises(DecodeError, match=r"a JPEG of \d+ scans, more than the limit of 100"):
        read_jpeg_frame(bomb)
    read_jpeg_frame(data)
