"""Check that each strip or tile of a TIFF is complete: libtiff's 8-bit reader silently leaves gaps.

- Each strip lies inside the file.
- Deflate: the checksum is right, and the strip has its size after decompression.
- LZW: all codes are defined, and the strip has its size after decompression; this finds most damage.

Not detectable is damage of uncompressed, PackBits, CCITT and JPEG strips, which have no checksum, and of
colors stored as YCbCr.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator

import numpy as np

from ....errors import DecodeError
from .lzw import decompressed_size
from .tags import SEPARATE_PLANES, Compression, Tag, Tags

_YCBCR = 6
_BLOCK = 1 << 16


def check_strips(data: bytes, tags: Tags) -> None:
    """Check all strips or tiles of a TIFF file.

    Parameters
    ----------
    data : bytes
        The whole file.
    tags : Tags
        The tags of its page, whose samples are supported.

    Raises
    ------
    DecodeError
        If a strip is missing, lies outside the file, or is damaged.
    """
    tiled = Tag.TILE_OFFSETS in tags.values
    offsets = tags.values.get(Tag.TILE_OFFSETS if tiled else Tag.STRIP_OFFSETS, ())
    lengths = tags.values.get(Tag.TILE_BYTES if tiled else Tag.STRIP_BYTES, ())
    if any(offset + length > len(data) for offset, length in zip(offsets, lengths, strict=False)):
        raise DecodeError("a TIFF that is cut off before its end; copy or download it again")
    measure = _DECOMPRESSED_SIZE.get(tags.first(Tag.COMPRESSION, Compression.NONE))
    if measure is None or tags.first(Tag.PHOTOMETRIC, 1) == _YCBCR:
        return
    strips = zip(offsets, lengths, strict=False)
    for least, most in _tile_sizes(tags) if tiled else _strip_sizes(tags):
        offset, length = next(strips, (0, 0))
        size = measure(memoryview(data)[offset : offset + length], most)
        if not least <= size <= most:
            raise DecodeError("a TIFF with a damaged strip; copy or download it again")


def _line_bytes(tags: Tags, width: int) -> tuple[int, int]:
    """Return the bytes of a line of `width` pixels, and the number of planes."""
    samples = tags.first(Tag.SAMPLES, 1)
    planes = samples if tags.first(Tag.PLANAR, 1) == SEPARATE_PLANES else 1
    return -(-width * (samples // planes) * tags.first(Tag.BITS, 1) // 8), planes


def _tile_sizes(tags: Tags) -> Iterator[tuple[int, int]]:
    """Yield the least and the most bytes of each tile."""
    width, length = tags.first(Tag.TILE_WIDTH, 1) or 1, tags.first(Tag.TILE_LENGTH, 1) or 1
    line, planes = _line_bytes(tags, width)
    columns, rows = -(-tags.first(Tag.WIDTH, 0) // width), -(-tags.first(Tag.HEIGHT, 0) // length)
    for _ in range(planes * columns * rows):
        yield line * length, line * length


def _strip_sizes(tags: Tags) -> Iterator[tuple[int, int]]:
    """Yield the least and the most bytes of each strip: some writers pad the last one."""
    height = tags.first(Tag.HEIGHT, 0)
    rows = max(1, min(height, tags.first(Tag.ROWS_PER_STRIP, height)))
    line, planes = _line_bytes(tags, tags.first(Tag.WIDTH, 0))
    for _ in range(planes):
        for top in range(0, height, rows):
            yield line * min(rows, height - top), line * rows


def _inflated_size(packed: memoryview, most: int) -> int:
    """Inflate block by block without keeping the bytes, to little more than `most`; -1 if damaged."""
    inflater = zlib.decompressobj()
    size = 0
    try:
        for start in range(0, len(packed), _BLOCK):
            rest: bytes | memoryview = packed[start : start + _BLOCK]
            inflated = _BLOCK
            while inflated == _BLOCK and size <= most:
                inflated = len(inflater.decompress(rest, _BLOCK))
                rest = inflater.unconsumed_tail
                size += inflated
    except zlib.error:
        return -1
    return size if inflater.eof else -1


def _lzw_size(packed: memoryview, most: int) -> int:
    if len(packed) > 1 and packed[0] == 0 and packed[1] & 1:
        return most  # the bit order of before TIFF 6.0, which is not checked
    return decompressed_size(np.frombuffer(packed, np.uint8), most)


_DECOMPRESSED_SIZE: dict[int, Callable[[memoryview, int], int]] = {
    Compression.DEFLATE: _inflated_size,
    Compression.OLD_DEFLATE: _inflated_size,
    Compression.LZW: _lzw_size,
}
