"""The decoded content of an image file, before it becomes one 8-bit gray image; checks of its header."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

from ...errors import DecodeError


@dataclass(frozen=True)
class Decoded:
    """The pixels of an image file, with the channels and the depth of the file.

    Attributes
    ----------
    pixels : ndarray, shape (height, width) or (height, width, 3)
        Gray, or blue, green and red; rotated as the file's orientation tag demands.
    bits : int
        Bits per sample that the file declares.
    inverted : bool
        Whether the largest value is black.
    significant_bits : int or None
        How many of the bits are significant, if the file states fewer.
    white_is_zero : bool
        Whether the file declares that 0 is white.
    encoded : bytes
        What OpenCV decoded, where it may have dropped an alpha channel; empty if there is none.
    unread_alpha : bool
        Whether the file has an alpha channel that OpenCV cannot read.
    """

    pixels: npt.NDArray[Any]
    bits: int = 8
    inverted: bool = False
    significant_bits: int | None = None
    white_is_zero: bool = False
    encoded: bytes = field(default=b"", repr=False)
    unread_alpha: bool = False


def check_size(width: int, height: int, max_pixels: int) -> None:
    """Check the size that a header declares, before memory is allocated for the pixels.

    Raises
    ------
    DecodeError
        If it has more than `max_pixels` pixels.
    """
    if width * height > max_pixels:
        raise DecodeError(f"{width} x {height} pixels, more than the limit of {max_pixels:,}")


@contextmanager
def truncated_header_errors(kind: str) -> Iterator[None]:
    """Turn the errors of reading past the end of a file into a DecodeError."""
    try:
        yield
    except (struct.error, OverflowError) as error:
        raise DecodeError(f"a {kind} that ends inside its header; copy or download it again") from error
