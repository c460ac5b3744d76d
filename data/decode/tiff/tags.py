"""The tags of a TIFF file: enough to refuse what would be read wrongly."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from ....errors import DecodeError

_SIZES = {1: 1, 3: 2, 4: 4, 16: 8}  # bytes of a value by its type: BYTE, SHORT, LONG, LONG8
_CODES = {1: "B", 3: "H", 4: "I", 16: "Q"}
_REDUCED = 1  # bit of NewSubfileType: a thumbnail of another page
_MOST_PAGES = 1000
_MOST_VALUES = 1_000_000


class Tag(IntEnum):
    """The tags that are read (TIFF 6.0, section 8)."""

    SUBFILE = 254
    WIDTH = 256
    HEIGHT = 257
    BITS = 258
    COMPRESSION = 259
    PHOTOMETRIC = 262
    STRIP_OFFSETS = 273
    SAMPLES = 277
    ROWS_A_STRIP = 278
    STRIP_BYTES = 279
    PLANAR = 284
    TILE_WIDTH = 322
    TILE_LENGTH = 323
    TILE_OFFSETS = 324
    TILE_BYTES = 325
    EXTRA_SAMPLES = 338
    SAMPLE_FORMAT = 339


class Compression(IntEnum):
    """The compressions that are read."""

    NONE = 1
    CCITT = 2
    GROUP_3 = 3
    GROUP_4 = 4
    LZW = 5
    JPEG = 7
    DEFLATE = 8
    PACK_BITS = 32773
    OLD_DEFLATE = 32946


_WANTED = frozenset(Tag)


@dataclass(frozen=True)
class Tags:
    """The integer tags of one page, those of `Tag`, with their values."""

    values: dict[int, tuple[int, ...]]

    def first(self, tag: int, default: int) -> int:
        """Give the first value of a tag, or the format's default where it is not there."""
        return (self.values.get(tag) or (default,))[0]


def read_directories(data: bytes) -> tuple[Tags, int]:
    """Read the tags of the first page and count the pages, thumbnails apart.

    Raises
    ------
    DecodeError
        If there is no page, or the chain of pages has no end.
    """
    order = "<" if data[:2] == b"II" else ">"
    big = struct.unpack_from(order + "H", data, 2)[0] == 43
    position = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)[0]
    pages: list[Tags] = []
    for _ in range(_MOST_PAGES):
        if not position:
            break
        tags, position = _directory(data, position, order, big)
        if not pages or not tags.first(Tag.SUBFILE, 0) & _REDUCED:
            pages.append(tags)
    else:
        raise DecodeError("a TIFF whose list of pages has no end; copy or download it again")
    if not pages:
        raise DecodeError("a TIFF without an image in it")
    return pages[0], len(pages)


def _directory(data: bytes, position: int, order: str, big: bool) -> tuple[Tags, int]:
    """Read one directory, and where the next one is."""
    counter, entry, pointer = ("Q", 20, "Q") if big else ("H", 12, "I")
    count = struct.unpack_from(order + counter, data, position)[0]
    position += struct.calcsize(counter)
    values: dict[int, tuple[int, ...]] = {}
    for _ in range(count):
        tag, kind = struct.unpack_from(order + "HH", data, position)
        if kind in _SIZES and tag in _WANTED:
            values[tag] = _values(data, position, order, big, kind)
        position += entry
    return Tags(values), int(struct.unpack_from(order + pointer, data, position)[0])


def _values(data: bytes, position: int, order: str, big: bool, kind: int) -> tuple[int, ...]:
    """Read a tag's values, which stand in the entry itself where all of them fit."""
    field, room, pointer = (position + 12, 8, "Q") if big else (position + 8, 4, "I")
    count = struct.unpack_from(order + pointer, data, position + 4)[0]
    if count > _MOST_VALUES:
        raise DecodeError(f"a TIFF in more than {_MOST_VALUES:,} strips or tiles; save it as PNG")
    if count * _SIZES[kind] > room:
        field = struct.unpack_from(order + pointer, data, field)[0]
    return struct.unpack_from(f"{order}{count}{_CODES[kind]}", data, field)
