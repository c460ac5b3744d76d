"""What is taken from a DICOM file's header, as plain values: nothing of pydicom, and no name of a person."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from ....errors import DecodeError
from .syntax import Syntax

PIXEL_DATA = 0x7FE00010


@dataclass(frozen=True)
class PixelElement:
    """Where the pixel data lie.

    Attributes
    ----------
    tag : int
        The data element: integer or floating-point pixels.
    start : int
        First byte of the value, counted in the data set's bytes.
    length : int or None
        Bytes of the value; None where it is written in fragments.
    words : bool
        The value is a stream of 16-bit words (VR OW), which matters for the order of bytes.
    """

    tag: int
    start: int
    length: int | None
    words: bool


@dataclass(frozen=True)
class LutElement:
    """A look-up table as it is written.

    Attributes
    ----------
    descriptor : tuple of int
        Number of entries, first value that is mapped, bits of an entry.
    data : bytes or tuple of int
    """

    descriptor: tuple[int, ...]
    data: bytes | tuple[int, ...]


@dataclass(frozen=True)
class DicomFile:
    """A parsed header.

    Attributes
    ----------
    data : bytes
        The bytes in which `pixels` are found; where the syntax is deflated, their inflated form counts.
    syntax : Syntax
    sop_class : str
        UID of the kind of object; empty where it is not said.
    class_name : str
        The standard's name of that kind; empty where it has none.
    pixels : PixelElement or None
        None where there are none.
    numeric : mapping of str to tuple of float
        Values of the numeric elements that are not empty, by keyword.
    texts : mapping of str to str
        Text elements that are not empty, by keyword, without the blanks around them; code strings in
        upper case.
    luts : mapping of str to LutElement
        The first look-up table of each sequence of them, by keyword.
    """

    data: bytes
    syntax: Syntax
    sop_class: str
    class_name: str
    pixels: PixelElement | None
    numeric: Mapping[str, tuple[float, ...]]
    texts: Mapping[str, str]
    luts: Mapping[str, LutElement]

    def numbers(self, keyword: str) -> tuple[float, ...]:
        """Give the values of a numeric element; none where it is missing or empty."""
        return self.numeric.get(keyword, ())

    def integer(self, keyword: str, default: int | None = None) -> int:
        """Give the first value of an integer element.

        Raises
        ------
        DecodeError
            If it is missing, and there is no default.
        """
        values = self.numbers(keyword)
        if values:
            return int(values[0])
        if default is None:
            raise DecodeError(f"a DICOM image without {keyword}; export it again")
        return default

    def text(self, keyword: str) -> str:
        """Give a text element; empty where it is missing."""
        return self.texts.get(keyword, "")

    def value(self, pixels: PixelElement, size: int) -> memoryview:
        """Give the first bytes of the pixel data; fewer where the file ends before."""
        end = pixels.start + size
        data = inflate(self.data, end) if self.syntax is Syntax.DEFLATED else self.data
        return memoryview(data)[pixels.start : end]


def inflate(deflated: bytes, size: int) -> bytes:
    """Inflate the first bytes of a deflated data set, and no more than asked for."""
    return zlib.decompressobj(-zlib.MAX_WBITS).decompress(deflated, size)
