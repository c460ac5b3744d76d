"""Measure how many bytes LZW data decompress to, without decompressing them (TIFF 6.0, section 13).

Between two clear codes the width of each code is known in advance, so all codes are extracted at once.

imagecodecs could decompress them, but its decoder (2026.3.6) corrupts memory on damaged data.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ...image import Gray

_CLEAR, _END, _FIRST_ENTRY = 256, 257, 258
_MAX_CODES = 5119 - _FIRST_ENTRY  # libtiff continues up to here after the table of strings is full

# Size of the table when each code after a clear code is read; TIFF widens codes one entry early.
_TABLE_SIZES = _FIRST_ENTRY + np.maximum(np.arange(_MAX_CODES) - 1, 0)
_WIDTHS = 9 + np.searchsorted([511, 1023, 2047], _TABLE_SIZES, side="right")
_END_BITS = np.cumsum(_WIDTHS)


def decompressed_size(packed: Gray, max_size: int) -> int:
    """Return the number of bytes that LZW codes stand for, or -1 if a code is undefined.

    Parameters
    ----------
    packed : ndarray of uint8, shape (n,)
    max_size : int
        Measuring stops when the size exceeds this.
    """
    bits = 8 * packed.size
    padded = np.pad(packed, (0, 4))
    position, size = 0, 0
    while size <= max_size:
        codes = _extract(padded, position, int(np.searchsorted(_END_BITS, bits - position, side="right")))
        control_codes = np.flatnonzero((codes == _CLEAR) | (codes == _END))
        count = int(control_codes[0]) if control_codes.size else codes.size
        added = _size(codes[:count])
        if added < 0 or count == _MAX_CODES:
            return -1
        size += added
        if not control_codes.size or codes[count] == _END:
            break
        position += int(_END_BITS[count])
    return size


def _extract(padded: Gray, position: int, count: int) -> npt.NDArray[np.int64]:
    """Extract `count` codes, starting at the bit `position`."""
    widths = _WIDTHS[:count]
    starts = position + _END_BITS[:count] - widths
    window = np.zeros(count, np.int64)
    for byte in range(3):
        window = window << 8 | padded[(starts >> 3) + byte]
    return np.asarray(window >> (24 - (starts & 7) - widths) & ((1 << widths) - 1), np.int64)


def _size(codes: npt.NDArray[np.int64]) -> int:
    """Return the number of bytes of the codes after a clear code, or -1 if one is undefined.

    A code below 256 is one byte. Entry 258 + i of the table is the string of code i and one more byte, so
    code i is its parent. Each round doubles the part of the chain of parents whose length is known.
    """
    order = np.arange(codes.size)
    parents = codes - _FIRST_ENTRY
    has_parent = parents >= 0
    if (parents >= order)[has_parent].any():
        return -1
    parents = np.where(has_parent, parents, order)
    lengths = has_parent.astype(np.int64)
    while (parents != parents[parents]).any():
        lengths = lengths + lengths[parents]
        parents = parents[parents]
    return int((lengths + 1).sum())
