"""Measure LZW data as TIFF 6.0 (section 13) stores them, without unfolding them.

Between two clear codes the width of each code is known beforehand, so all of them are cut out at once.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ...image import Gray

_CLEAR, _END, _FIRST = 256, 257, 258
_MOST_CODES = 5119 - _FIRST  # libtiff goes on so long after the table is full

# The table's size when each code after a clear is read; TIFF makes codes wider one entry early.
_ENTRIES = _FIRST + np.maximum(np.arange(_MOST_CODES) - 1, 0)
_WIDTHS = 9 + np.searchsorted([511, 1023, 2047], _ENTRIES, side="right")
_ENDS = np.cumsum(_WIDTHS)


def unfolded_size(packed: Gray, most: int) -> int:
    """Give the bytes that LZW codes stand for, or -1 where a code has no meaning.

    Parameters
    ----------
    packed : ndarray of uint8, shape (n,)
    most : int
        Where the size passes this, measuring stops.
    """
    bits = 8 * packed.size
    padded = np.pad(packed, (0, 4))
    place, size = 0, 0
    while size <= most:
        codes = _cut(padded, place, int(np.searchsorted(_ENDS, bits - place, side="right")))
        stops = np.flatnonzero((codes == _CLEAR) | (codes == _END))
        count = int(stops[0]) if stops.size else codes.size
        size_here = _size(codes[:count])
        if size_here < 0 or count == _MOST_CODES:
            return -1
        size += size_here
        if not stops.size or codes[count] == _END:
            break
        place += int(_ENDS[count])
    return size


def _cut(padded: Gray, place: int, count: int) -> npt.NDArray[np.int64]:
    """Cut out so many codes, from a bit on."""
    widths = _WIDTHS[:count]
    begins = place + _ENDS[:count] - widths
    window = np.zeros(count, np.int64)
    for byte in range(3):
        window = window << 8 | padded[(begins >> 3) + byte]
    return np.asarray(window >> (24 - (begins & 7) - widths) & ((1 << widths) - 1), np.int64)


def _size(codes: npt.NDArray[np.int64]) -> int:
    """Give the bytes of codes after a clear: one for a byte's own, one more than its parent's for another.

    Entry 258 + i of the table is made of code i and a byte, so code i is the parent; each round makes the
    known part of a chain of parents twice as long.
    """
    order = np.arange(codes.size)
    parents = codes - _FIRST
    linked = parents >= 0
    if (parents >= order)[linked].any():
        return -1
    parents = np.where(linked, parents, order)
    lengths = linked.astype(np.int64)
    while (parents != parents[parents]).any():
        lengths = lengths + lengths[parents]
        parents = parents[parents]
    return int((lengths + 1).sum())
