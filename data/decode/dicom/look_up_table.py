"""Look-up tables of DICOM: modality LUT and VOI LUT (PS3.3, C.11.1.1 and C.11.2.1.1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....errors import DecodeError
from ..views import Integers, Reals, View
from .header import LutElement
from .pixel_format import low_bits


@dataclass(frozen=True)
class LookUpTable:
    """A look-up table; values beyond its ends map to its first and last entry.

    Attributes
    ----------
    first : int
        The value that maps to the first entry.
    entries : ndarray of int64, shape (n,)
    white : int
        The largest value that the bits per entry can hold.
    """

    first: int
    entries: Integers
    white: int

    def __call__(self, values: Integers | Reals) -> Reals:
        """Map values to entries."""
        index = np.clip(np.rint(values) - self.first, 0, len(self.entries) - 1).astype(np.int64)
        return np.asarray(self.entries[index], np.float64)

    def view(self, source: str, values: Reals) -> View:
        """Return the view of a VOI LUT."""
        index = np.rint(values) - self.first
        outside = (index < 0) | (index > len(self.entries) - 1)
        return View(source, self(values) / self.white, np.asarray(outside))


def read_look_up_table(lut: LutElement, signed: bool, big_endian: bool) -> LookUpTable:
    """Read a look-up table.

    Parameters
    ----------
    lut : LutElement
    signed : bool
        Whether the values that it maps may be negative.
    big_endian : bool
        Byte order of its entries.

    Raises
    ------
    DecodeError
        If it has fewer entries than its descriptor states, or an impossible number of bits.
    """
    if len(lut.descriptor) != 3:
        raise DecodeError("a DICOM file with a look-up table without a valid descriptor; export it again")
    count, first, bits = lut.descriptor
    count = count or 1 << 16
    if isinstance(lut.data, bytes):
        words = np.frombuffer(lut.data[: len(lut.data) // 2 * 2], ">u2" if big_endian else "<u2")
        packed = bits <= 8 and len(words) == (count + 1) // 2 != count
        entries = words.astype("<u2").view(np.uint8)[:count] if packed else words
    else:
        entries = np.asarray(lut.data)
    if len(entries) < count or not 1 <= bits <= 16:
        raise DecodeError(
            f"a DICOM file with a look-up table of {len(entries)} entries where its descriptor states "
            f"{count} of {bits} bits; export it again"
        )
    start = int(low_bits(np.asarray(first), 16, signed=signed))
    used: Integers = entries[:count].astype(np.int64)
    return LookUpTable(start, used, (1 << _entry_bits(used, bits)) - 1)


def _entry_bits(entries: Integers, declared: int) -> int:
    """Return the bits per entry: those of the largest entry if it needs more than declared, or two fewer.

    Writers declare the bits of the cell, or those of the pixels. One bit fewer may be a table whose brightest
    entry is meant to be gray.
    """
    needed = int(entries.max()).bit_length()
    return needed if needed > declared or 0 < needed <= declared - 2 else declared
