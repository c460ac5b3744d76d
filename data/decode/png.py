"""A quick decoder of the commonest radiograph file: a PNG of 8-bit gray, not interlaced, nothing transparent.

It takes only files in perfect order (each chunk whole, each checksum right, nothing left over) and leaves all
others to the general reader, which has words for what is wrong with them. ISA-L inflates, compiled code
undoes the filters (PNG specification, third edition, section 9); both work without the GIL.
"""

from __future__ import annotations

import struct
from typing import cast

import numpy as np
from isal.igzip_lib import DECOMP_ZLIB, IgzipDecompressor, IsalError
from isal.isal_zlib import crc32

from ...errors import DecodeError
from ..image import Gray
from .codestream import cut_off
from .formats import PNG_SIGNATURE
from .header import Header

# Bit depth 8, color type gray, deflate, filters by line, no interlace.
_PLAIN = bytes((8, 0, 0, 0, 0))

# Chunks that change no pixel of a gray image.
_HARMLESS = frozenset(
    {b"bKGD", b"cHRM", b"gAMA", b"iCCP", b"iTXt", b"pHYs", b"sBIT", b"sRGB", b"tEXt", b"tIME", b"zTXt"}
)

# Beside the critical ones, whose names begin with a capital.
_KEPT = frozenset({b"tRNS", b"eXIf"})

_ISAL_ERROR = cast("type[Exception]", IsalError)  # its stub calls the class an instance


def decode_plain_gray(data: bytes) -> Gray | None:
    """Decode a PNG of plain 8-bit gray.

    At most one byte more is inflated than the size in the header asks for; whether that size is acceptable is
    the caller's to judge. The first call in a process loads numba, and on a machine's very first it compiles.

    Parameters
    ----------
    data : bytes
        The whole file.

    Returns
    -------
    ndarray of uint8, shape (height, width), or None
        None for a PNG of another kind, for one with any fault, and for what is no PNG.
    """
    found = _plain_gray(data)
    if found is None:
        return None
    height, width, packed = found
    raw = _inflate(packed, height * (width + 1))
    if raw is None:
        return None
    # numba is heavy: whoever reads no PNG never loads it.
    from .png_filters import unfilter

    pixels = np.empty((height, width), np.uint8)
    lines = np.frombuffer(raw, np.uint8).reshape(height, width + 1)
    return pixels if unfilter(lines, pixels) else None


def keep_essential(data: bytes) -> bytes:
    """Leave out the chunks that change no pixel, which may be very large or unfold to very much.

    Parameters
    ----------
    data : bytes
        A PNG that was walked to its end.

    Returns
    -------
    bytes
        With the critical chunks, transparency and EXIF, by which an image may be turned.
    """
    pieces = [PNG_SIGNATURE]
    place = len(PNG_SIGNATURE)
    kind = b""
    while kind != b"IEND":
        size, kind = struct.unpack_from(">I4s", data, place)
        if kind[:1].isupper() or kind in _KEPT:
            pieces.append(data[place : place + 12 + size])
        place += 12 + size
    return b"".join(pieces)


def _plain_gray(data: bytes) -> tuple[int, int, bytes] | None:
    """Give height, width and the zlib stream, where the file is of that kind and in order."""
    chunks = _chunks(data)
    kinds = [kind for kind, _ in chunks]
    if b"IDAT" not in kinds or kinds[0] != b"IHDR" or kinds[-1] != b"IEND":
        return None
    begin = kinds.index(b"IDAT")
    end = begin + kinds.count(b"IDAT")
    # An IDAT chunk apart from the others would be among these, or a second header.
    if not {*kinds[1:begin], *kinds[end:-1]} <= _HARMLESS:
        return None
    header = chunks[0][1]
    if header[8:] != _PLAIN:
        return None
    width, height = struct.unpack_from(">II", header)
    if not (width and height):
        return None
    return height, width, b"".join(body for _, body in chunks[begin:end])


def _chunks(data: bytes) -> list[tuple[bytes, memoryview]]:
    """Cut a file into kinds and bodies; an empty list where a chunk is cut off or has a wrong checksum."""
    if not data.startswith(PNG_SIGNATURE):
        return []
    view = memoryview(data)
    chunks = []
    place = len(PNG_SIGNATURE)
    while place + 12 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, place)
        end = place + 8 + size
        if crc32(view[place + 4 : end]) != int.from_bytes(view[end : end + 4], "big"):
            return []
        chunks.append((kind, view[place + 8 : end]))
        place = end + 4
    return chunks if place == len(data) else []


def _inflate(packed: bytes, size: int) -> bytes | None:
    """Inflate a zlib stream that holds exactly so many bytes and has the right checksum."""
    if packed[:1] > b"\x78":  # a window larger than RFC 1950 knows, which ISA-L lets pass
        return None
    inflater = IgzipDecompressor(DECOMP_ZLIB)
    try:
        # One byte more than is needed is asked for: a longer stream shows, and a bomb cannot unfold.
        raw = inflater.decompress(packed, size + 1)
    except _ISAL_ERROR:
        return None
    return raw if len(raw) == size and inflater.eof and not inflater.unused_data else None


_MOST_CHUNKS = 10_000


_SMALL_CHUNK = 64  # bytes; writers of PNG cut their pixels into pieces of kilobytes


def _png(data: bytes) -> Header:
    """Walk the chunks to the last, which a file that was cut lacks."""
    width, height, bits = struct.unpack_from(">IIB", data, 16)
    position = 8
    small = 0
    while (kind := data[position + 4 : position + 8]) != b"IEND":
        if position + 12 > len(data):
            raise cut_off("PNG")
        if kind == b"acTL":
            raise DecodeError("an animated PNG; save one frame as a still image")
        size = int(struct.unpack_from(">I", data, position)[0])
        small += kind != b"IDAT" or size < _SMALL_CHUNK
        if small > _MOST_CHUNKS:
            raise DecodeError(
                f"a PNG with more than {_MOST_CHUNKS:,} chunks beside its pixels; save it again"
            )
        position += 12 + size
    return Header(width, height, bits)
