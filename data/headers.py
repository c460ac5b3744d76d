"""Read a picture's header before its pixels: its size and depth, and whether its bytes are all there."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass

from ..errors import DecodeError
from .formats import Format
from .tiff import read_directories


@dataclass(frozen=True)
class Header:
    """What the header says.

    Attributes
    ----------
    width, height : int
        As stored, before any turning that the file asks for.
    bits : int
        Bits of one sample.
    inverted : bool
        The largest value is black, and the decoder leaves it so.
    """

    width: int
    height: int
    bits: int = 8
    inverted: bool = False


def read_header(data: bytes, kind: Format) -> Header:
    """Read the header of a whole file.

    Raises
    ------
    DecodeError
        If the file is cut off, holds several pictures, or stores samples in a way that is not read.
    """
    try:
        return _READERS[kind](data)
    except (struct.error, IndexError) as error:
        raise DecodeError(f"a {kind} that ends inside its header; copy or download it again") from error


def cut_off(kind: str) -> DecodeError:
    """Make the error for a file whose end is missing."""
    return DecodeError(f"a {kind} that is cut off before its end; copy or download it again")


def _png(data: bytes) -> Header:
    """Walk the chunks to the last, which a file that was cut lacks."""
    width, height, bits = struct.unpack_from(">IIB", data, 16)
    position = 8
    while data[position + 4 : position + 8] != b"IEND":
        if position + 12 > len(data):
            raise cut_off("PNG")
        if data[position + 4 : position + 8] == b"acTL":
            raise DecodeError("an animated PNG; save one frame as a still picture")
        position += 12 + int(struct.unpack_from(">I", data, position)[0])
    return Header(width, height, bits)


_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_BARE = frozenset({0x01, *range(0xD0, 0xD8)})
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


def _jpeg(data: bytes) -> Header:
    """Walk the segments to the end marker: decoders fill a cut picture with grey and only warn."""
    header: Header | None = None
    position = 2
    while position < len(data):
        found = _NEXT_MARKER.search(data, position)
        if found is None:
            break
        marker, position = data[found.end() - 1], found.end()
        if marker == 0xD9:
            if header is None:
                raise DecodeError("a JPEG without a picture in it")
            return header
        if marker in _BARE:
            continue
        if marker in _FRAMES:
            bits, height, width = struct.unpack_from(">BHH", data, position + 2)
            if bits != 8:
                raise DecodeError(f"a JPEG with {bits} bits a sample, which is not read; save it as PNG")
            header = Header(width, height)
        position += int(struct.unpack_from(">H", data, position)[0])
    raise cut_off("JPEG")


def _tiff(data: bytes) -> Header:
    """Refuse what libtiff and OpenCV would turn into a wrong picture without a word."""
    tags, pages = read_directories(data)
    if pages > 1:
        raise DecodeError(f"a TIFF with {pages} pages; save each as a file of its own")
    bits = tags.first(258, 1)
    if bits not in {1, 8, 16, 32, 64}:
        raise DecodeError(f"a TIFF with {bits} bits a sample, which is not read; save it as PNG")
    if tags.first(277, 1) > 1 and bits > 8 and tags.first(284, 1) == 2:
        raise DecodeError(
            "a TIFF with separate planes of more than 8 bits, which is not read; save it as PNG"
        )
    if tags.first(277, 1) == 4 and bits == 8 and tags.first(338, 0) == 2:
        raise DecodeError("a TIFF whose colours would be mixed with its alpha channel; save it without alpha")
    return Header(tags.first(256, 0), tags.first(257, 0), bits, tags.first(262, 1) == 0 and bits > 8)


def _jpeg2000(data: bytes) -> Header:
    """Read the SIZ marker of the codestream, wherever boxes put it, and see that the end marker is there."""
    start = data.find(b"\xff\x4f\xff\x51")
    if start < 0:
        raise DecodeError("a JPEG 2000 file without a codestream; copy or download it again")
    end = len(data)
    if data[start - 4 : start] == b"jp2c":
        end = start - 8 + int(struct.unpack_from(">I", data, start - 8)[0]) or len(data)
    if data[end - 2 : end] != b"\xff\xd9":
        raise cut_off("JPEG 2000 file")
    x1, y1, x0, y0 = struct.unpack_from(">4I", data, start + 8)
    depth = data[start + 42]
    if depth & 0x80:
        raise DecodeError("a JPEG 2000 file with signed samples, which is not read; save it as PNG")
    return Header(x1 - x0, y1 - y0, (depth & 0x7F) + 1)


def _bmp(data: bytes) -> Header:
    width, height = struct.unpack_from("<ii", data, 18)
    return Header(width, abs(height))


def _webp(data: bytes) -> Header:
    if len(data) < 8 + int(struct.unpack_from("<I", data, 4)[0]):
        raise cut_off("WebP")
    kind = data[12:16]
    if kind == b"VP8X":
        if data[20] & 0x02:
            raise DecodeError("an animated WebP; save one frame as a still picture")
        return Header(1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little"))
    if kind == b"VP8L":
        packed = int(struct.unpack_from("<I", data, 21)[0])
        return Header(1 + (packed & 0x3FFF), 1 + (packed >> 14 & 0x3FFF))
    width, height = struct.unpack_from("<HH", data, 26)
    return Header(width & 0x3FFF, height & 0x3FFF)


_READERS: dict[Format, Callable[[bytes], Header]] = {
    Format.PNG: _png,
    Format.JPEG: _jpeg,
    Format.TIFF: _tiff,
    Format.JPEG2000: _jpeg2000,
    Format.BMP: _bmp,
    Format.WEBP: _webp,
}
