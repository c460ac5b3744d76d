"""Compiled kernels that undo the filters of a PNG (PNG specification, third edition, section 9)."""

from __future__ import annotations

import numpy as np

from ...machine.kernels import helper, kernel
from ..image import Gray

NONE, SUB, UP, AVERAGE, PAETH = range(5)


@helper
def undo_sub(line: Gray, row: Gray) -> None:
    """Add the pixel to the left to each byte of a line."""
    left = np.uint8(0)
    for x in range(row.size):
        left = np.uint8(left + line[x])
        row[x] = left


@helper
def undo_up(line: Gray, above: Gray, row: Gray) -> None:
    """Add the pixel above to each byte of a line."""
    for x in range(row.size):
        row[x] = line[x] + above[x]


@helper
def undo_average(line: Gray, above: Gray, row: Gray) -> None:
    """Add (left + above) // 2 to each byte of a line: the result is (left + (above + 2 line)) // 2.

    The pixel is kept in the top byte of a 64-bit word: halving is one shift, a carry leaves the word, and the
    bits below the top byte never return to it. The chain from one pixel to the next has two instructions.
    """
    left = np.uint64(0)
    for x in range(row.size):
        addend = np.uint64(above[x]) + np.uint64(line[x]) * np.uint64(2)
        left = (left >> np.uint64(1)) + (addend << np.uint64(55))
        row[x] = left >> np.uint64(56)


@helper
def paeth(left: np.int64, up: np.int64, corner: np.int64) -> np.int64:
    """Return which of left, up and corner is nearest to left + up - corner, in this order on ties.

    With low = min(left, up) and high = max(left, up), the nearest is corner if it lies in the middle third
    between low and high, low if it lies above (3 corner >= low + 2 high), and high if it lies below. As in
    stb_image, low + high = left + up is subtracted first, which makes the chain from pixel to pixel shortest.
    """
    difference = 3 * corner - (left + up)
    low = min(left, up)
    high = max(left, up)
    low_or_corner = low if high <= difference else corner
    return high if low >= difference else low_or_corner


@helper
def undo_paeth(line: Gray, above: Gray, row: Gray) -> None:
    """Add the prediction of `paeth` to each byte of a line."""
    left = np.int64(0)
    corner = np.int64(0)
    for x in range(row.size):
        up = np.int64(above[x])
        left = (line[x] + paeth(left, up, corner)) & 255
        row[x] = left
        corner = up


@helper
def undo_two_paeth(line: Gray, above: Gray, row: Gray, between: Gray, line2: Gray, row2: Gray) -> None:
    """Undo two Paeth lines in parallel, the lower one a pixel behind the upper one.

    Each pixel depends on its left neighbor, so the processor computes two independent lines in little more
    time than one. The row above `row2` is `row` plus `between`: the Up line between the two, or zeros.
    """
    last = row.size - 1
    corner = np.int64(above[0])
    left = (line[0] + corner) & 255
    row[0] = left
    left2 = np.int64(0)
    corner2 = np.int64(0)
    for x in range(last):
        up = np.int64(above[x + 1])
        up2 = (left + between[x]) & 255
        left = (line[x + 1] + paeth(left, up, corner)) & 255
        left2 = (line2[x] + paeth(left2, up2, corner2)) & 255
        row[x + 1] = left
        row2[x] = left2
        corner = up
        corner2 = up2
    up2 = (left + between[last]) & 255
    row2[last] = line2[last] + paeth(left2, up2, corner2)


@helper
def next_paeth(lines: Gray, y: int) -> int:
    """Return the distance from line y to a Paeth line below: 1, or 2 across an Up line; otherwise 0."""
    height = len(lines)
    if y + 1 < height and lines[y + 1, 0] == PAETH:
        return 1
    if y + 2 < height and lines[y + 1, 0] == UP and lines[y + 2, 0] == PAETH:
        return 2
    return 0


@kernel
def unfilter(lines: Gray, pixels: Gray) -> bool:
    """Undo the filters of all lines.

    Parameters
    ----------
    lines : ndarray of uint8, shape (height, width + 1)
        The inflated data: each line starts with the number of its filter.
    pixels : ndarray of uint8, shape (height, width)
        Output.

    Returns
    -------
    bool
        False if a line has an unknown filter.
    """
    height, width = pixels.shape
    zeros = np.zeros(width, np.uint8)
    above = zeros
    y = 0
    while y < height:
        filter_type, line, row = lines[y, 0], lines[y, 1:], pixels[y]
        step = 0
        if filter_type == PAETH:
            step = next_paeth(lines, y)
            if step == 0:
                undo_paeth(line, above, row)
            else:
                between = lines[y + 1, 1:] if step == 2 else zeros
                undo_two_paeth(line, above, row, between, lines[y + step, 1:], pixels[y + step])
                if step == 2:
                    undo_up(between, row, pixels[y + 1])
        elif filter_type == AVERAGE:
            undo_average(line, above, row)
        elif filter_type == UP:
            undo_up(line, above, row)
        elif filter_type == SUB:
            undo_sub(line, row)
        elif filter_type == NONE:
            for x in range(width):
                row[x] = line[x]
        else:
            return False
        y += step + 1
        above = pixels[y - 1]
    return True
