"""The strict JPEG decoder: OpenCV's pixels for a sound file, an error where libjpeg only warns."""

from __future__ import annotations

import io
from typing import Any

import cv2
import imagecodecs
import numpy as np
import pytest
from PIL import Image

from cxr.data.decode.codestream import read_jpeg
from cxr.data.decode.jpeg import decode_strictly
from cxr.data.decode.reader import decode_image
from cxr.errors import DecodeError

NOISE = np.random.default_rng(0).integers(0, 256, (203, 301, 3), np.uint8)
COLOR = cv2.normalize(cv2.GaussianBlur(NOISE, (0, 0), 2), None, 0, 255, cv2.NORM_MINMAX)
GRAY = np.ascontiguousarray(COLOR[..., 0])


def pillow(pixels: Any, mode: str | None = None, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def opencv(data: bytes) -> Any:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_ANYDEPTH | cv2.IMREAD_ANYCOLOR)


def gray_of_sampling(factors: int) -> bytes:
    """A gray JPEG that states sampling factors, which mean nothing for one component."""
    data = bytearray(pillow(GRAY))
    data[data.index(b"\xff\xc0") + 11] = factors
    return bytes(data)


SOUND = {
    "gray": pillow(GRAY),
    "gray, progressive": pillow(GRAY, progressive=True),
    "gray, restarts": pillow(GRAY, restart_marker_rows=1),
    "gray, sampled 2 x 2": gray_of_sampling(0x22),
    "color, 444": pillow(COLOR, subsampling=0),
    "color, 422": pillow(COLOR, subsampling=1),
    "color, 420": pillow(COLOR, subsampling=2),
    "color, progressive": pillow(COLOR, progressive=True),
    "color, stored as RGB": pillow(COLOR, keep_rgb=True),
    "bytes after the end": pillow(GRAY) + b"more",
}


@pytest.mark.parametrize("kind", SOUND)
def test_a_sound_file_gives_the_pixels_of_opencv(kind: str) -> None:
    np.testing.assert_array_equal(decode_strictly(SOUND[kind]), opencv(SOUND[kind]))


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
    "turned": pillow(GRAY, exif=EXIF),
}


@pytest.mark.parametrize("damage", [zeroed, halved])
@pytest.mark.parametrize("kind", [*SOUND, *LEFT_TO_OPENCV])
def test_a_damaged_file_is_refused(kind: str, damage: Any) -> None:
    with pytest.raises(DecodeError, match="x: a JPEG that is damaged"):
        decode_image(damage((SOUND | LEFT_TO_OPENCV)[kind]), "x")


@pytest.mark.parametrize("kind", LEFT_TO_OPENCV)
def test_cmyk_and_a_turning_are_left_to_the_general_reader(kind: str) -> None:
    assert decode_strictly(LEFT_TO_OPENCV[kind]) is None
    decode_image(LEFT_TO_OPENCV[kind], "x")


def test_a_warning_that_says_nothing_of_the_pixels_is_no_error() -> None:
    data = bytearray(pillow(GRAY))
    data[11] = 3  # the major revision of JFIF
    np.testing.assert_array_equal(decode_image(bytes(data), "x").pixels, opencv(pillow(GRAY)))


def test_a_file_of_very_many_scans_is_refused_by_its_header() -> None:
    data = pillow(GRAY, progressive=True)
    last = data.rindex(b"\xff\xda")
    bomb = data[:last] + data[last:-2] * 101 + data[-2:]
    with pytest.raises(DecodeError, match=r"a JPEG of \d+ scans, more than the limit of 100"):
        read_jpeg(bomb)
    read_jpeg(data)
