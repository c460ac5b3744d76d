"""The values of a DICOM header that decoding uses, without any name of a person."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from ....errors import DecodeError
from .syntax import Syntax

PIXEL_DATA = 0x7FE00010


@dataclass(frozen=True)
class PixelElement:
    """The data element that holds the pixels.

    Attributes
    ----------
    tag : int
        Tag of integer or floating-point pixel data.
    start : int
        Offset of the value in the data set's bytes.
    length : int or None
        Bytes of the value; None if it is written in fragments.
    is_word_stream : bool
        Whether the value is a stream of 16-bit words (VR OW), which determines the byte order of 8-bit cells.
    """

    tag: int
    start: int
    length: int | None
    is_word_stream: bool


@dataclass(frozen=True)
class LutElement:
    """A look-up table as the header stores it.

    Attributes
    ----------
    descriptor : tuple of int
        Number of entries, first mapped value, bits per entry.
    data : bytes or tuple of int
    """

    descriptor: tuple[int, ...]
    data: bytes | tuple[int, ...]


@dataclass(frozen=True)
class DicomFile:
    """A parsed DICOM header.

    Attributes
    ----------
    data : bytes
        The bytes that `pixels` refers to; with a deflated transfer syntax, `pixels` refers to their inflated
        form.
    syntax : Syntax
    sop_class : str
        SOP class UID; empty if missing.
    class_name : str
        The standard's name of the SOP class; empty if it has none.
    pixels : PixelElement or None
        None if there are no pixels.
    numeric : mapping of str to tuple of float
        Values of numeric elements by keyword; empty if the element is missing or empty.
    texts : mapping of str to str
        Text elements by keyword, without leading and trailing blanks; code strings in upper case.
    luts : mapping of str to tuple of LutElement
        The look-up tables of each look-up table sequence, by keyword.
    """

    data: bytes
    syntax: Syntax
    sop_class: str
    class_name: str
    pixels: PixelElement | None
    numeric: Mapping[str, tuple[float, ...]]
    texts: Mapping[str, str]
    luts: Mapping[str, tuple[LutElement, ...]]

    def numbers(self, keyword: str) -> tuple[float, ...]:
        """Return the values of a numeric element; none if it is missing or empty."""
        return self.numeric.get(keyword, ())

    def integer(self, keyword: str, default: int | None = None) -> int:
        """Return the first value of an integer element.

        Raises
        ------
        DecodeError
            If it is missing and there is no default.
        """
        values = self.numbers(keyword)
        if values:
            return int(values[0])
        if default is None:
            raise DecodeError(f"a DICOM image without {keyword}; export it again")
        return default

    def text(self, keyword: str) -> str:
        """Return a text element; empty if it is missing."""
        return self.texts.get(keyword, "")

    def pixel_bytes(self, element: PixelElement, size: int) -> memoryview:
        """Return the first `size` bytes of the pixel data, fewer if the file ends earlier."""
        end = element.start + size
        data = inflate(self.data, end) if self.syntax is Syntax.DEFLATED else self.data
        return memoryview(data)[element.start : end]


def inflate(deflated: bytes, max_size: int) -> bytes:
    """Inflate a deflated data set up to `max_size` bytes."""
    return zlib.decompressobj(-zlib.MAX_WBITS).decompress(deflated, max_size)
