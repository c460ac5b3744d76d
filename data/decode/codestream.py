"""Frame headers of JPEG, JPEG-LS and JPEG 2000 codestreams, and the check that a codestream is complete."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from ...errors import DecodeError

JPEG_START = b"\xff\xd8\xff"
JPEG_2000_START = b"\xff\x4f\xff\x51"

_SOF_JPEG_LS = 0xF7
_START_OF_FRAME = frozenset({*range(0xC0, 0xD0), _SOF_JPEG_LS} - {0xC4, 0xC8, 0xCC})
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD8)})
_START_OF_SCAN = 0xDA
_END_OF_IMAGE = 0xD9
_MAX_SCANS = 100  # progressive files usually have about 10, and each scan takes a pass over all pixels
# Entropy-coded data escape 0xFF with a zero byte, in JPEG-LS with a zero bit.
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_NEXT_MARKER_LS = re.compile(rb"\xff[\x80-\xcf\xd8-\xfe]")


@dataclass(frozen=True)
class Frame:
    """The frame header of a codestream.

    Attributes
    ----------
    width, height : int
    bits : int
        Bits per sample.
    components : int
        Number of channels.
    signed : bool
        Whether samples are signed (JPEG 2000 only).
    jpeg_ls : bool
        Whether it is a JPEG-LS codestream.
    """

    width: int
    height: int
    bits: int
    components: int
    signed: bool = False
    jpeg_ls: bool = False


def truncated_error(kind: str) -> DecodeError:
    """Create the error for a file without its end."""
    return DecodeError(f"a {kind} that is cut off before its end; copy or download it again")


def read_jpeg_frame(data: bytes) -> Frame:
    """Read the frame header of a JPEG or JPEG-LS, and check that the file is complete.

    All segments are visited up to the end marker: decoders fill a truncated image with gray and only warn.

    Raises
    ------
    DecodeError
        If the end marker is missing, there is not exactly one frame, or there are too many scans.
    struct.error
        If the file ends inside a segment's header.
    """
    frame: Frame | None = None
    next_marker = _NEXT_MARKER
    scans = 0
    position = 2
    while position < len(data):
        found = next_marker.search(data, position)
        if found is None:
            break
        marker, position = data[found.end() - 1], found.end()
        if marker == _END_OF_IMAGE:
            if frame is None:
                raise DecodeError("a JPEG without an image in it; copy or download it again")
            if scans > _MAX_SCANS:
                raise DecodeError(
                    f"a JPEG of {scans} scans, more than the limit of {_MAX_SCANS}; save it as PNG"
                )
            return frame
        if marker in _WITHOUT_LENGTH:
            continue
        if marker in _START_OF_FRAME:
            if frame is not None:
                raise DecodeError("a JPEG with two frame headers; save it as PNG")
            bits, height, width, components = struct.unpack_from(">BHHB", data, position + 2)
            frame = Frame(width, height, bits, components, jpeg_ls=marker == _SOF_JPEG_LS)
            next_marker = _NEXT_MARKER_LS if frame.jpeg_ls else _NEXT_MARKER
        scans += marker == _START_OF_SCAN
        position += int(struct.unpack_from(">H", data, position)[0])
    raise truncated_error("JPEG")


def read_jpeg_2000_frame(data: bytes) -> Frame:
    """Read the SIZ marker of a JPEG 2000 codestream, bare or in a JP2 file, and check that it is complete.

    Raises
    ------
    DecodeError
        If there is no codestream or its end marker is missing.
    struct.error
        If the file ends inside the SIZ marker.
    """
    start = data.find(JPEG_2000_START)
    if start < 0:
        raise DecodeError("a JPEG 2000 file without a codestream; copy or download it again")
    end = len(data)
    if data[start - 4 : start] == b"jp2c":
        end = start - 8 + int(struct.unpack_from(">I", data, start - 8)[0]) or len(data)
    if data[end - 2 : end] != b"\xff\xd9":
        raise truncated_error("JPEG 2000 file")
    x1, y1, x0, y0 = struct.unpack_from(">4I", data, start + 8)
    components, depth = struct.unpack_from(">HB", data, start + 40)
    return Frame(x1 - x0, y1 - y0, (depth & 0x7F) + 1, components, signed=bool(depth & 0x80))
