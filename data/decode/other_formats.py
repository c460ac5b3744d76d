"""JPEG 2000, BMP and WebP: their headers, and the decoding by OpenCV that PNG, JPEG and TIFF use too."""

from __future__ import annotations

import struct
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ...errors import DecodeError
from .codestream import cut_off, read_jpeg_2000
from .formats import Format
from .header import Header

_OS2_HEADER = 12  # bytes

# Keeps depth and color, leaves out alpha and turns the image upright.
_FLAGS = cv2.IMREAD_ANYDEPTH | cv2.IMREAD_ANYCOLOR


def _opencv(data: bytes, kind: Format) -> npt.NDArray[Any]:
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), _FLAGS)
    except cv2.error as error:
        raise DecodeError(f"a {kind} that cannot be decoded ({error.err})") from error
    if pixels is None:
        raise DecodeError(f"a {kind} that is damaged, or of a kind that is not read; save it as PNG")
    return np.asarray(pixels)


def _jpeg2000(data: bytes) -> Header:
    frame = read_jpeg_2000(data)
    if frame.signed:
        raise DecodeError("a JPEG 2000 file with signed samples, which is not read; save it as PNG")
    return Header(frame.width, frame.height, frame.bits)


def _bmp(data: bytes) -> Header:
    of_os2 = struct.unpack_from("<I", data, 14)[0] == _OS2_HEADER
    width, height = struct.unpack_from("<HH" if of_os2 else "<ii", data, 18)
    if width <= 0 or height == 0:
        raise DecodeError(f"a BMP of {width} x {height} pixels; is it damaged?")
    return Header(width, abs(height))  # a negative height: the top line comes first


def _webp(data: bytes) -> Header:
    if len(data) < 8 + int(struct.unpack_from("<I", data, 4)[0]):
        raise cut_off("WebP")
    kind = data[12:16]
    if kind == b"VP8X":
        if data[20] & 0x02:
            raise DecodeError("an animated WebP; save one frame as a still image")
        return Header(1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little"))
    if kind == b"VP8L":
        packed = int(struct.unpack_from("<I", data, 21)[0])
        return Header(1 + (packed & 0x3FFF), 1 + (packed >> 14 & 0x3FFF))
    width, height = struct.unpack_from("<HH", data, 26)
    return Header(width & 0x3FFF, height & 0x3FFF)
