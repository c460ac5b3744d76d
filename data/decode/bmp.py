"""Read BMP files: some sets of radiographs use them (miniJSRT, HIV-TB)."""

from __future__ import annotations

import struct

from ...errors import DecodeError
from .decoded import Decoded, check_size, truncated_header_errors
from .formats import Format
from .opencv import decode_with_opencv

_OS2_HEADER_BYTES = 12


def read(data: bytes, max_pixels: int) -> Decoded:
    """Read a BMP file.

    Raises
    ------
    DecodeError
        If it is damaged or has more than `max_pixels` pixels.
    """
    with truncated_header_errors(Format.BMP):
        is_os2 = struct.unpack_from("<I", data, 14)[0] == _OS2_HEADER_BYTES
        width, height = struct.unpack_from("<HH" if is_os2 else "<ii", data, 18)
    if width <= 0 or height == 0:
        raise DecodeError(f"a BMP of {width} x {height} pixels; is it damaged?")
    check_size(width, abs(height), max_pixels)  # a negative height: rows are stored from the top
    return Decoded(decode_with_opencv(data, Format.BMP), encoded=data)
