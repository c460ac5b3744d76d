"""Read a picture's header before its pixels: its size and depth, and whether its bytes are all there."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from ..errors import DecodeError
from .codestream import cut_off, read_jpeg, read_jpeg_2000
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


def _jpeg(data: bytes) -> Header:
    frame = read_jpeg(data)
    if frame.bits != 8:
        raise DecodeError(f"a JPEG with {frame.bits} bits a sample, which is not read; save it as PNG")
    return Header(frame.width, frame.height)


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
    frame = read_jpeg_2000(data)
    if frame.signed:
        raise DecodeError("a JPEG 2000 file with signed samples, which is not read; save it as PNG")
    return Header(frame.width, frame.height, frame.bits)


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
