"""Read PNG files: a fast decoder for the most common radiograph file, and OpenCV for the others.

The fast decoder takes intact files of 8-bit gray that are not interlaced and have no transparency: each chunk
complete, each checksum right, no bytes left over. ISA-L inflates, and compiled code undoes the filters (PNG
specification, third edition, section 9); both release the GIL. OpenCV decodes, or rejects, all other files.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple, cast

import numpy as np
from isal.igzip_lib import DECOMP_ZLIB, IgzipDecompressor, IsalError
from isal.isal_zlib import crc32

from ...errors import DecodeError
from ..image import Gray
from .codestream import truncated_error
from .decoded import Decoded, check_size, truncated_header_errors
from .formats import PNG_SIGNATURE, Format
from .opencv import decode_with_opencv

_DEEP = 16  # bits per sample

_MAX_SMALL_CHUNKS = 10_000
_SMALL_CHUNK = 64  # bytes; writers split pixel data into chunks of kilobytes

_HEADER_END = 33  # of the IHDR chunk
# Bit depth 8, color type gray, deflate, per-line filters, no interlacing.
_PLAIN_GRAY = bytes((8, 0, 0, 0, 0))

# Chunks that do not affect the pixels of a gray image.
_IGNORED = frozenset(
    {b"bKGD", b"cHRM", b"gAMA", b"iCCP", b"iTXt", b"pHYs", b"sBIT", b"sRGB", b"tEXt", b"tIME", b"zTXt"}
)

# Ancillary chunks that OpenCV needs: transparency, and EXIF with the orientation.
_FOR_OPENCV = frozenset({b"tRNS", b"eXIf"})

_ISAL_ERROR = cast("type[Exception]", IsalError)  # its stub declares the class as an instance


class Chunk(NamedTuple):
    """A chunk of a PNG file.

    Attributes
    ----------
    kind : bytes
    start : int
        Offset of its first byte, that of the length.
    end : int
        Offset after its last byte, that of the checksum.
    """

    kind: bytes
    start: int
    end: int


def read(data: bytes, max_pixels: int) -> Decoded:
    """Read a PNG file.

    The first call in a process loads numba, and compiles if nothing is cached yet.

    Raises
    ------
    DecodeError
        If it is truncated, damaged or animated, or has more than `max_pixels` pixels.
    """
    with truncated_header_errors(Format.PNG):
        _check_first_chunk(data)
        width, height, bits = struct.unpack_from(">IIB", data, 16)
        chunks = read_chunks(data)
    check_size(width, height, max_pixels)
    pixels = decode_plain_gray(data, chunks)
    if pixels is None:
        reduced = _without_ancillary_chunks(data, chunks)
        significant_bits = _significant_bits(data, chunks) if bits == _DEEP else None
        pixels = decode_with_opencv(reduced, Format.PNG)
        return Decoded(pixels, bits, significant_bits=significant_bits, encoded=reduced)
    return Decoded(pixels, bits)


def read_chunks(data: bytes) -> list[Chunk]:
    """List the chunks of a PNG file up to IEND; their checksums are not verified.

    Raises
    ------
    DecodeError
        If IEND is missing, the PNG is animated, or it has too many small chunks.
    """
    chunks: list[Chunk] = []
    position = len(PNG_SIGNATURE)
    small = 0
    while not chunks or chunks[-1].kind != b"IEND":
        kind = data[position + 4 : position + 8]
        if kind != b"IEND" and position + 12 > len(data):
            raise truncated_error(Format.PNG)
        if kind == b"acTL":
            raise DecodeError("an animated PNG; save one frame as a still image")
        size = int(struct.unpack_from(">I", data, position)[0])
        small += kind != b"IDAT" or size < _SMALL_CHUNK
        if small > _MAX_SMALL_CHUNKS:
            raise DecodeError(f"a PNG with more than {_MAX_SMALL_CHUNKS:,} small chunks; save it again")
        chunks.append(Chunk(kind, position, position + 12 + size))
        position = chunks[-1].end
    return chunks


def decode_plain_gray(data: bytes, chunks: Sequence[Chunk]) -> Gray | None:
    """Decode a PNG of 8-bit gray without interlacing and transparency.

    At most one byte more than the declared size is inflated; checking that size is left to the caller.

    Parameters
    ----------
    data : bytes
        The whole file.
    chunks : sequence of Chunk
        Its chunks, as `read_chunks` returns them.

    Returns
    -------
    ndarray of uint8, shape (height, width), or None
        None for a PNG of another kind or with any fault.
    """
    packed = _plain_gray_stream(data, chunks)
    width, height = struct.unpack_from(">II", data, 16)
    if packed is None or not (width and height):
        return None
    raw = _inflate(packed, height * (width + 1))
    if raw is None:
        return None
    # numba is slow to load, and only PNG needs it.
    from .png_filters import unfilter

    pixels = np.empty((height, width), np.uint8)
    lines = np.frombuffer(raw, np.uint8).reshape(height, width + 1)
    return pixels if unfilter(lines, pixels) else None


def _plain_gray_stream(data: bytes, chunks: Sequence[Chunk]) -> bytes | None:
    """Join the zlib stream of an intact PNG of plain gray; None for any other file."""
    kinds = [chunk.kind for chunk in chunks]
    if kinds[0] != b"IHDR" or chunks[0].end != _HEADER_END or data[24:29] != _PLAIN_GRAY:
        return None
    if b"IDAT" not in kinds or chunks[-1].end != len(data):
        return None
    first = kinds.index(b"IDAT")
    last = first + kinds.count(b"IDAT")
    # If the IDAT chunks are not consecutive, one of them is in the second part.
    if not {*kinds[1:first], *kinds[last:-1]} <= _IGNORED:
        return None
    view = memoryview(data)
    for _, start, end in chunks:
        if crc32(view[start + 4 : end - 4]) != int.from_bytes(view[end - 4 : end], "big"):
            return None
    return b"".join(view[start + 8 : end - 4] for _, start, end in chunks[first:last])


def _inflate(packed: bytes, size: int) -> bytes | None:
    """Inflate a zlib stream of exactly `size` bytes with a right checksum; None if it is not that."""
    if packed[:1] > b"\x78":  # a larger window than RFC 1950 allows, which ISA-L accepts
        return None
    inflater = IgzipDecompressor(DECOMP_ZLIB)
    try:
        # One byte more than necessary reveals a longer stream without inflating all of it.
        raw = inflater.decompress(packed, size + 1)
    except _ISAL_ERROR:
        return None
    return raw if len(raw) == size and inflater.eof and not inflater.unused_data else None


def _check_first_chunk(data: bytes) -> None:
    if data[12:16] == b"CgBI":
        raise DecodeError("a PNG in Apple's own variant (CgBI), which is not standard; save it again as PNG")
    if data[12:16] not in {b"IHDR", b""}:
        raise DecodeError("a PNG that does not start with its header; copy or download it again")


def _significant_bits(data: bytes, chunks: Sequence[Chunk]) -> int | None:
    """Return the largest number of significant bits that an sBIT chunk states, of gray or the colors."""
    for kind, start, end in chunks:
        if kind == b"sBIT":
            color_type = data[25]
            stated = data[start + 8 : end - 4][: 3 if color_type & 2 else 1]
            bits = max(stated, default=0)
            return bits if 8 <= bits < _DEEP else None
    return None


def _without_ancillary_chunks(data: bytes, chunks: Sequence[Chunk]) -> bytes:
    """Remove the chunks that do not affect pixels: they may be very large, or inflate to very much."""
    kept = (chunk for chunk in chunks if chunk.kind[:1].isupper() or chunk.kind in _FOR_OPENCV)
    return b"".join([PNG_SIGNATURE, *(data[chunk.start : chunk.end] for chunk in kept)])
