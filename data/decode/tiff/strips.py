"""See that each strip or tile of a TIFF is whole, for libtiff's reader of 8 bits leaves gaps without a word.

- Every strip lies inside the file.
- Deflate has a checksum, which must be right, and unfolds to the strip's size.
- LZW unfolds to the strip's size with codes that have a meaning; most damage shows.

Not detectable: changed bytes in strips without compression, in PackBits, CCITT and JPEG, which have no
checksum, and in colors stored as YCbCr.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator

import numpy as np

from ....errors import DecodeError
from .lzw import unfolded_size
from .tags import Compression, Tag, Tags, read_directories

_YCBCR = 6
_PIECE = 1 << 16


def check_strips(data: bytes) -> None:
    """Check all strips or tiles of a TIFF's first page, whose header was found acceptable.

    Raises
    ------
    DecodeError
        If one is missing, lies outside the file, or is damaged.
    """
    tags, _ = read_directories(data)
    tiled = Tag.TILE_OFFSETS in tags.values
    offsets = tags.values.get(Tag.TILE_OFFSETS if tiled else Tag.STRIP_OFFSETS, ())
    counts = tags.values.get(Tag.TILE_BYTES if tiled else Tag.STRIP_BYTES, ())
    if any(offset + count > len(data) for offset, count in zip(offsets, counts, strict=False)):
        raise DecodeError("a TIFF that is cut off before its end; copy or download it again")
    measure = _MEASURES.get(tags.first(Tag.COMPRESSION, Compression.NONE))
    if measure is None or tags.first(Tag.PHOTOMETRIC, 1) == _YCBCR:
        return
    places = zip(offsets, counts, strict=False)
    for least, most in _tile_sizes(tags) if tiled else _strip_sizes(tags):
        offset, count = next(places, (0, 0))
        size = measure(memoryview(data)[offset : offset + count], most)
        if not least <= size <= most:
            raise DecodeError("a TIFF with a damaged strip; copy or download it again")


def _line(tags: Tags, width: int) -> tuple[int, int]:
    """Give the bytes of a line of so many pixels, and how many planes there are."""
    samples = tags.first(Tag.SAMPLES, 1)
    planes = samples if tags.first(Tag.PLANAR, 1) == 2 else 1
    return -(-width * (samples // planes) * tags.first(Tag.BITS, 1) // 8), planes


def _tile_sizes(tags: Tags) -> Iterator[tuple[int, int]]:
    """Give the least and the most bytes of each tile."""
    width, length = tags.first(Tag.TILE_WIDTH, 1) or 1, tags.first(Tag.TILE_LENGTH, 1) or 1
    line, planes = _line(tags, width)
    across, down = -(-tags.first(Tag.WIDTH, 0) // width), -(-tags.first(Tag.HEIGHT, 0) // length)
    for _ in range(planes * across * down):
        yield line * length, line * length


def _strip_sizes(tags: Tags) -> Iterator[tuple[int, int]]:
    """Give the least and the most bytes of each strip: some writers fill the last one up."""
    height = tags.first(Tag.HEIGHT, 0)
    rows = max(1, min(height, tags.first(Tag.ROWS_A_STRIP, height)))
    line, planes = _line(tags, tags.first(Tag.WIDTH, 0))
    for _ in range(planes):
        for top in range(0, height, rows):
            yield line * min(rows, height - top), line * rows


def _inflated_size(packed: memoryview, most: int) -> int:
    """Inflate and drop the bytes; -1 where the stream is damaged, and stop soon after `most`."""
    inflater = zlib.decompressobj()
    size = 0
    try:
        for start in range(0, len(packed), _PIECE):
            rest: bytes | memoryview = packed[start : start + _PIECE]
            got = _PIECE
            while got == _PIECE and size <= most:
                got = len(inflater.decompress(rest, _PIECE))
                rest = inflater.unconsumed_tail
                size += got
    except zlib.error:
        return -1
    return size if inflater.eof else -1


def _lzw_size(packed: memoryview, most: int) -> int:
    if len(packed) > 1 and packed[0] == 0 and packed[1] & 1:
        return most  # codes in the order of before TIFF 6.0, which are not checked
    return unfolded_size(np.frombuffer(packed, np.uint8), most)


_MEASURES: dict[int, Callable[[memoryview, int], int]] = {
    Compression.DEFLATE: _inflated_size,
    Compression.OLD_DEFLATE: _inflated_size,
    Compression.LZW: _lzw_size,
}
