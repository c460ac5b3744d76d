"""Read a picture's header before its pixels: its size and depth, and whether its bytes are all there."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from ..errors import DecodeError
from .codestream import cut_off, read_jpeg, read_jpeg_2000
from .formats import Format
from .tiff import Compression, Tag, Tags, read_directories

_MOST_CHUNKS = 10_000
_SMALL_CHUNK = 64  # bytes; writers of PNG cut their pixels into pieces of kilobytes

_COMPRESSIONS = {
    6: "old JPEG",
    33003: "JPEG 2000",
    34712: "JPEG 2000",
    34887: "LERC",
    34925: "LZMA",
    50000: "Zstandard",
    50001: "WebP",
    50002: "JPEG XL",
}
_CMYK = 5
_OS2_HEADER = 12  # bytes
_FLOAT = 3


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
    small = 0
    while (kind := data[position + 4 : position + 8]) != b"IEND":
        if position + 12 > len(data):
            raise cut_off("PNG")
        if kind == b"acTL":
            raise DecodeError("an animated PNG; save one frame as a still picture")
        size = int(struct.unpack_from(">I", data, position)[0])
        small += kind != b"IDAT" or size < _SMALL_CHUNK
        if small > _MOST_CHUNKS:
            raise DecodeError(
                f"a PNG with more than {_MOST_CHUNKS:,} chunks beside its pixels; save it again"
            )
        position += 12 + size
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
    _check_samples(tags)
    width, height, bits = tags.first(Tag.WIDTH, 0), tags.first(Tag.HEIGHT, 0), tags.first(Tag.BITS, 1)
    inverted = tags.first(Tag.PHOTOMETRIC, 1) == 0 and bits > 8
    return Header(width, height, bits, inverted)


def _check_samples(tags: Tags) -> None:
    """Refuse kinds of samples and compressions that are not read, by their name."""
    bits, samples = tags.first(Tag.BITS, 1), tags.first(Tag.SAMPLES, 1)
    compression = tags.first(Tag.COMPRESSION, Compression.NONE)
    if compression not in set(Compression):
        name = _COMPRESSIONS.get(compression, "unknown")
        raise _not_read(f"compression {compression} ({name})", "with another compression or as PNG")
    if not (tags.first(Tag.WIDTH, 0) and tags.first(Tag.HEIGHT, 0) and samples):
        raise DecodeError("a TIFF without pixels; is it damaged?")
    if bits not in {1, 8, 16, 32, 64}:
        raise _not_read(f"{bits} bits a sample")
    if bits == 16 and tags.first(Tag.SAMPLE_FORMAT, 1) == _FLOAT:
        raise _not_read("16-bit floating-point samples")
    if bits > 8 and tags.first(Tag.PHOTOMETRIC, 1) == _CMYK:
        raise _not_read(f"CMYK of {bits} bits a sample")
    if bits == 64 and samples > 1:
        raise _not_read(f"{samples} samples of 64 bits a pixel")
    if samples > 1 and bits > 8 and tags.first(Tag.PLANAR, 1) == 2:
        raise _not_read("separate planes of more than 8 bits")
    if samples == 4 and bits == 8 and tags.first(Tag.EXTRA_SAMPLES, 0) == 2:
        raise DecodeError("a TIFF whose colours would be mixed with its alpha channel; save it without alpha")


def _not_read(what: str, instead: str = "as PNG") -> DecodeError:
    return DecodeError(f"a TIFF with {what}, which is not read; save it {instead}")


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
