"""What a header says of an image, before its pixels are read."""

from __future__ import annotations

from dataclasses import dataclass


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
