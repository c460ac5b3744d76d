"""Read a mask once, 64 pixels at a time, and list its runs of foreground pixels.

Equal consecutive rows are stored once, as one band, so a run is a rectangle. Boxes, masks enlarged from a
coarser grid, and empty or full regions then cost next to nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ...machine.kernels import helper, kernel
from .bits import (
    NO_BITS,
    ONE,
    WORD_BITS,
    Words,
    left_neighbors,
    lowest_bit,
    pack64,
    popcount,
    right_neighbors,
)

Bands = npt.NDArray[Any]
"""Records with `top`, the band's first row in the mask, and `first_run`, the index of its first run.

One record follows the last band: the mask's height and the number of runs.
"""

Runs = npt.NDArray[Any]
"""Records with `start` and `end`, a run's first and last column."""

_BAND = np.dtype([("top", np.int64), ("first_run", np.int64)], align=True)
_RUN = np.dtype([("start", np.int32), ("end", np.int32)], align=True)


@kernel
def pack_rows(pixels: npt.NDArray[np.uint8], height: int, width: int) -> tuple[Words, Bands]:
    """Pack a mask's rows into words, 1 bit per pixel, and merge equal consecutive rows into bands.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (height * width,)
        The mask in row-major order; nonzero is foreground.
    height, width : int
        Size of the mask in pixels.

    Returns
    -------
    words : ndarray of uint64, shape (height + 2, words per row + 2)
        Band i is in row i + 1. A row of zeros precedes the first band and follows the last, and there is a
        column of zeros on either side, so later kernels need no bounds checks.
    bands : Bands, shape (bands + 1,)
    """
    words_per_row = (width + WORD_BITS - 1) // WORD_BITS
    words = np.empty((height + 2, words_per_row + 2), np.uint64)
    words[0] = NO_BITS
    bands = np.empty(height + 1, _BAND)
    bands[0]["first_run"] = 0
    count = 0
    for row in range(height):
        pack_row(pixels, row * width, width, words[count + 1])
        if count == 0 or not are_equal(words[count], words[count + 1]):
            bands[count]["top"] = row
            bands[count + 1]["first_run"] = bands[count]["first_run"] + count_runs(words[count + 1])
            count += 1
    words[count + 1] = NO_BITS
    bands[count]["top"] = height
    return words, bands[: count + 1]


@helper
def pack_row(pixels: npt.NDArray[np.uint8], begin: int, width: int, row: Words) -> None:
    """Pack `width` bytes into row[1:-1]; the last 64 bytes are read so that they end with the row."""
    whole = width // WORD_BITS
    rest = width - whole * WORD_BITS
    row[0] = NO_BITS
    row[row.size - 1] = NO_BITS
    for k in range(whole):
        row[k + 1] = pack64(pixels, begin + k * WORD_BITS)
    if rest > 0 and whole > 0:
        row[whole + 1] = pack64(pixels, begin + width - WORD_BITS) >> np.uint64(WORD_BITS - rest)
    elif rest > 0:
        word = NO_BITS
        for column in range(rest):
            word |= np.uint64(pixels[begin + column] != 0) << np.uint64(column)
        row[1] = word


@helper
def are_equal(above: Words, row: Words) -> bool:
    """Return whether two rows have the same pixels."""
    difference = NO_BITS
    for k in range(row.size):
        difference |= above[k] ^ row[k]
    return bool(difference == NO_BITS)


@helper
def count_runs(row: Words) -> int:
    """Count the runs of one row by their first pixels."""
    count = 0
    for k in range(1, row.size - 1):
        if row[k] != NO_BITS:
            count += popcount(row[k] & ~left_neighbors(row, k))
    return count


@kernel
def find_runs(words: Words, bands: Bands) -> Runs:
    """List the first and last column of every run, in raster order.

    First and last pixels are found independently: the k-th first pixel and the k-th last pixel belong to the
    same run, even where it spans several words, and no branch depends on the pixels.

    Returns
    -------
    Runs, shape (runs,)
    """
    runs = np.empty(bands[-1]["first_run"], _RUN)
    for band in range(bands.size - 1):
        if bands[band]["first_run"] == bands[band + 1]["first_run"]:
            continue
        start = end = bands[band]["first_run"]
        row = words[band + 1]
        for k in range(1, row.size - 1):
            word = row[k]
            if word == NO_BITS:
                continue
            column = (k - 1) * WORD_BITS
            bits = word & ~left_neighbors(row, k)
            while bits != NO_BITS:
                runs[start]["start"] = column + lowest_bit(bits)
                start += 1
                bits &= bits - ONE
            bits = word & ~right_neighbors(row, k)
            while bits != NO_BITS:
                runs[end]["end"] = column + lowest_bit(bits)
                end += 1
                bits &= bits - ONE
    return runs
