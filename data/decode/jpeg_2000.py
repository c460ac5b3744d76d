"""Read JPEG 2000 files, bare codestreams or JP2."""

from __future__ import annotations

from ...errors import DecodeError
from .codestream import read_jpeg_2000_frame
from .decoded import Decoded, check_size, truncated_header_errors
from .formats import Format
from .opencv import decode_with_opencv

_GRAY_AND_ALPHA = 2  # channels


def read(data: bytes, max_pixels: int) -> Decoded:
    """Read a JPEG 2000 file.

    Raises
    ------
    DecodeError
        If it is truncated or damaged, has signed samples or more than `max_pixels` pixels.
    """
    with truncated_header_errors(Format.JPEG_2000):
        frame = read_jpeg_2000_frame(data)
    if frame.signed:
        raise DecodeError("a JPEG 2000 file with signed samples, which is not supported; save it as PNG")
    check_size(frame.width, frame.height, max_pixels)
    pixels = decode_with_opencv(data, Format.JPEG_2000)
    gray_and_alpha = frame.components == _GRAY_AND_ALPHA
    return Decoded(pixels, frame.bits, encoded=b"" if gray_and_alpha else data, unread_alpha=gray_and_alpha)
