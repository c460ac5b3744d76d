"""From bytes to runs: a mask is read once, 64 pixels at a time, and kept as its runs of foreground.

Rows that repeat the row above are kept once, as one band: a run is then a rectangle, and boxes, masks
enlarged from a coarser grid, and empty and full stretches cost next to nothing.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ...machine.kernels import helper, kernel
from .bits import BITS, NONE, ONE, Words, left_of, lowest_bit, pack64, popcount, right_of

Counts = npt.NDArray[np.int64]
Columns = npt.NDArray[np.int32]


@kernel
def pack(pixels: npt.NDArray[np.uint8], height: int, width: int) -> tuple[Words, Counts, Counts]:
    """Read a mask into bands of words.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (height * width,)
        The mask's bytes, row after row; not 0 is foreground.
    height, width : int
        The mask's size in pixels.

    Returns
    -------
    words : ndarray of uint64, shape (height + 2, words in a row + 2)
        Row i + 1 is band i. A row of zeros lies above the first band and under the last, and a column of
        zeros on both sides, so that no later pass asks where the edge is.
    tops : ndarray of int64, shape (bands + 1,)
        First row of the mask in each band, and the mask's height.
    first : ndarray of int64, shape (bands + 1,)
        Number of runs above each band, and in all.
    """
    size = (width + BITS - 1) // BITS
    words = np.empty((height + 2, size + 2), np.uint64)
    words[0] = NONE
    tops = np.empty(height + 1, np.int64)
    first = np.empty(height + 1, np.int64)
    first[0] = 0
    bands = 0
    for row in range(height):
        read_row(pixels, row * width, width, words[bands + 1])
        if bands == 0 or not same(words[bands], words[bands + 1]):
            tops[bands] = row
            first[bands + 1] = first[bands] + count_runs(words[bands + 1])
            bands += 1
    words[bands + 1] = NONE
    tops[bands] = height
    return words, tops[: bands + 1], first[: bands + 1]


@helper
def read_row(pixels: npt.NDArray[np.uint8], begin: int, width: int, row: Words) -> None:
    """Read one row's bytes into row[1:-1]; the last word is read so as to end with the row, never beyond."""
    whole = width // BITS
    rest = width - whole * BITS
    row[0] = NONE
    row[row.size - 1] = NONE
    for k in range(whole):
        row[k + 1] = pack64(pixels, begin + k * BITS)
    if rest > 0 and whole > 0:
        row[whole + 1] = pack64(pixels, begin + width - BITS) >> np.uint64(BITS - rest)
    elif rest > 0:
        word = NONE
        for column in range(rest):
            word |= np.uint64(pixels[begin + column] != 0) << np.uint64(column)
        row[1] = word


@helper
def same(above: Words, row: Words) -> bool:
    """Say whether two rows have the same pixels."""
    difference = NONE
    for k in range(row.size):
        difference |= above[k] ^ row[k]
    return bool(difference == NONE)


@helper
def count_runs(row: Words) -> int:
    """Count the runs of one row by the bits that begin one."""
    count = 0
    for k in range(1, row.size - 1):
        if row[k] != NONE:
            count += popcount(row[k] & ~left_of(row, k))
    return count


@kernel
def list_runs(words: Words, first: Counts) -> tuple[Columns, Columns]:
    """List the first and the last column of every run, in raster order.

    Beginnings and ends are told apart by bits and written to two lists of their own: the k-th beginning and
    the k-th end are the same run's, even where it crosses words, and no branch hangs on the pixels.

    Returns
    -------
    starts, ends : ndarray of int32, shape (runs,)
    """
    starts = np.empty(first[-1], np.int32)
    ends = np.empty(first[-1], np.int32)
    for band in range(first.size - 1):
        if first[band] == first[band + 1]:
            continue
        start = end = first[band]
        row = words[band + 1]
        for k in range(1, row.size - 1):
            word = row[k]
            if word == NONE:
                continue
            column = (k - 1) * BITS
            bits = word & ~left_of(row, k)
            while bits != NONE:
                starts[start] = column + lowest_bit(bits)
                start += 1
                bits &= bits - ONE
            bits = word & ~right_of(row, k)
            while bits != NONE:
                ends[end] = column + lowest_bit(bits)
                end += 1
                bits &= bits - ONE
    return starts, ends
