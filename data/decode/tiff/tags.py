"""Read the directories of a TIFF file: the tags that are needed to reject what would be decoded wrongly."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from ....errors import DecodeError

_SIZES = {1: 1, 3: 2, 4: 4, 16: 8}  # bytes per value of the types BYTE, SHORT, LONG, LONG8
_STRUCT_CODES = {1: "B", 3: "H", 4: "I", 16: "Q"}
_THUMBNAIL = 1  # bit of NewSubfileType: a smaller version of another page
SEPARATE_PLANES = 2
"""Value of `Tag.PLANAR`: each channel is a plane with strips of its own."""

_MAX_PAGES = 1000
_MAX_VALUES = 1_000_000


class Tag(IntEnum):
    """The tags that are read, by number (TIFF 6.0, section 8)."""

    SUBFILE_TYPE = 254
    WIDTH = 256
    HEIGHT = 257
    BITS = 258
    COMPRESSION = 259
    PHOTOMETRIC = 262
    STRIP_OFFSETS = 273
    SAMPLES = 277
    ROWS_PER_STRIP = 278
    STRIP_BYTES = 279
    PLANAR = 284
    TILE_WIDTH = 322
    TILE_LENGTH = 323
    TILE_OFFSETS = 324
    TILE_BYTES = 325
    EXTRA_SAMPLES = 338
    SAMPLE_FORMAT = 339


class Compression(IntEnum):
    """The supported compressions."""

    NONE = 1
    CCITT = 2
    GROUP_3 = 3
    GROUP_4 = 4
    LZW = 5
    JPEG = 7
    DEFLATE = 8
    PACK_BITS = 32773
    OLD_DEFLATE = 32946


_READ_TAGS = frozenset(Tag)


@dataclass(frozen=True)
class Tags:
    """Values of the tags of one page, by number; only those in `Tag` with integer values."""

    values: dict[int, tuple[int, ...]]

    def first(self, tag: int, default: int) -> int:
        """Return the first value of a tag, or the default of the TIFF specification if it is missing."""
        return (self.values.get(tag) or (default,))[0]


def read_directories(data: bytes) -> tuple[Tags, int]:
    """Read the tags of the first page and count the pages, without thumbnails.

    Raises
    ------
    DecodeError
        If there is no page, or the chain of pages does not end.
    struct.error, OverflowError
        If an offset points outside the file.
    """
    order = "<" if data[:2] == b"II" else ">"
    is_big = struct.unpack_from(order + "H", data, 2)[0] == 43
    position = struct.unpack_from(order + ("Q" if is_big else "I"), data, 8 if is_big else 4)[0]
    pages: list[Tags] = []
    for _ in range(_MAX_PAGES):
        if not position:
            break
        tags, position = _directory(data, position, order, is_big)
        if not pages or not tags.first(Tag.SUBFILE_TYPE, 0) & _THUMBNAIL:
            pages.append(tags)
    else:
        raise DecodeError("a TIFF whose chain of pages does not end; copy or download it again")
    if not pages:
        raise DecodeError("a TIFF without an image in it; copy or download it again")
    return pages[0], len(pages)


def _directory(data: bytes, position: int, order: str, is_big: bool) -> tuple[Tags, int]:
    """Read the tags of one directory, and the offset of the next one."""
    counter, entry_bytes, pointer = ("Q", 20, "Q") if is_big else ("H", 12, "I")
    count = struct.unpack_from(order + counter, data, position)[0]
    position += struct.calcsize(counter)
    values: dict[int, tuple[int, ...]] = {}
    for _ in range(count):
        tag, value_type = struct.unpack_from(order + "HH", data, position)
        if value_type in _SIZES and tag in _READ_TAGS:
            values[tag] = _values(data, position, order, is_big, value_type)
        position += entry_bytes
    return Tags(values), int(struct.unpack_from(order + pointer, data, position)[0])


def _values(data: bytes, position: int, order: str, is_big: bool, value_type: int) -> tuple[int, ...]:
    """Read the values of a directory entry, which holds them itself if they fit, or else their offset."""
    offset, room, pointer = (position + 12, 8, "Q") if is_big else (position + 8, 4, "I")
    count = struct.unpack_from(order + pointer, data, position + 4)[0]
    if count > _MAX_VALUES:
        raise DecodeError(f"a TIFF of more than {_MAX_VALUES:,} strips or tiles; save it as PNG")
    if count * _SIZES[value_type] > room:
        offset = struct.unpack_from(order + pointer, data, offset)[0]
    return struct.unpack_from(f"{order}{count}{_STRUCT_CODES[value_type]}", data, offset)
