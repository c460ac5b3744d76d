"""The frame header of a JPEG, JPEG-LS or JPEG 2000 codestream, and whether its end is there."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from ...errors import DecodeError

JPEG_START = b"\xff\xd8\xff"
JPEG_2000_START = b"\xff\x4f\xff\x51"

_SOF_JPEG_LS = 0xF7
_FRAMES = frozenset({*range(0xC0, 0xD0), _SOF_JPEG_LS} - {0xC4, 0xC8, 0xCC})
_BARE = frozenset({0x01, *range(0xD0, 0xD8)})
_SCAN = 0xDA
_END = 0xD9
_MOST_SCANS = 100  # usual progressive files have about 10, and each scan takes a pass over all pixels
# Entropy-coded data escape 0xFF by a zero byte; those of JPEG-LS by a zero bit.
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_NEXT_MARKER_LS = re.compile(rb"\xff[\x80-\xcf\xd8-\xfe]")


@dataclass(frozen=True)
class Frame:
    """What the frame header says.

    Attributes
    ----------
    width, height : int
    bits : int
        Bits of one sample.
    components : int
        Channels.
    signed : bool
        Samples are signed (JPEG 2000 only).
    jpeg_ls : bool
        A JPEG-LS codestream.
    """

    width: int
    height: int
    bits: int
    components: int
    signed: bool = False
    jpeg_ls: bool = False


def cut_off(kind: str) -> DecodeError:
    """Make the error for a file whose end is missing."""
    return DecodeError(f"a {kind} that is cut off before its end; copy or download it again")


def read_jpeg(data: bytes) -> Frame:
    """Walk the segments to the end marker: decoders fill a cut image with gray and only warn.

    Raises
    ------
    DecodeError
        If there is no end, not one frame, or too many scans.
    struct.error
        If it ends inside a segment's header.
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
        if marker == _END:
            if frame is None:
                raise DecodeError("a JPEG without an image in it")
            if scans > _MOST_SCANS:
                raise DecodeError(
                    f"a JPEG of {scans} scans, more than the limit of {_MOST_SCANS}; save it as PNG"
                )
            return frame
        if marker in _BARE:
            continue
        if marker in _FRAMES:
            if frame is not None:
                raise DecodeError("a JPEG with two frame headers; save it as PNG")
            bits, height, width, components = struct.unpack_from(">BHHB", data, position + 2)
            frame = Frame(width, height, bits, components, jpeg_ls=marker == _SOF_JPEG_LS)
            next_marker = _NEXT_MARKER_LS if frame.jpeg_ls else _NEXT_MARKER
        scans += marker == _SCAN
        position += int(struct.unpack_from(">H", data, position)[0])
    raise cut_off("JPEG")


def read_jpeg_2000(data: bytes) -> Frame:
    """Read the SIZ marker of the codestream, wherever boxes put it, and see that the end marker is there.

    Raises
    ------
    DecodeError
        If there is no codestream or no end.
    struct.error
        If it ends inside the marker.
    """
    start = data.find(JPEG_2000_START)
    if start < 0:
        raise DecodeError("a JPEG 2000 file without a codestream; copy or download it again")
    end = len(data)
    if data[start - 4 : start] == b"jp2c":
        end = start - 8 + int(struct.unpack_from(">I", data, start - 8)[0]) or len(data)
    if data[end - 2 : end] != b"\xff\xd9":
        raise cut_off("JPEG 2000 file")
    x1, y1, x0, y0 = struct.unpack_from(">4I", data, start + 8)
    components, depth = struct.unpack_from(">HB", data, start + 40)
    return Frame(x1 - x0, y1 - y0, (depth & 0x7F) + 1, components, signed=bool(depth & 0x80))
