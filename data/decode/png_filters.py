"""Undo the filters of a PNG's lines (PNG specification, third edition, section 9): compiled."""

from __future__ import annotations

import numpy as np

from ...machine.kernels import helper, kernel
from ..image import Gray

NONE, SUB, UP, AVERAGE, PAETH = range(5)


@helper
def undo_sub(line: Gray, row: Gray) -> None:
    """Add to each byte of a line the pixel to its left."""
    left = np.uint8(0)
    for x in range(row.size):
        left = np.uint8(left + line[x])
        row[x] = left


@helper
def undo_up(line: Gray, above: Gray, row: Gray) -> None:
    """Add to each byte of a line the pixel above it."""
    for x in range(row.size):
        row[x] = line[x] + above[x]


@helper
def undo_average(line: Gray, above: Gray, row: Gray) -> None:
    """Add to each byte of a line half of (left + above), rounded down: (left + (above + 2 line)) // 2 in all.

    The pixel is the top byte of a word: halving is one shift, a carry leaves the word, and what a shift drops
    below the byte never comes back into it. So only two instructions lie between one pixel and the next.
    """
    left = np.uint64(0)
    for x in range(row.size):
        rest = np.uint64(above[x]) + np.uint64(line[x]) * np.uint64(2)
        left = (left >> np.uint64(1)) + (rest << np.uint64(55))
        row[x] = left >> np.uint64(56)


@helper
def paeth(left: np.int64, up: np.int64, corner: np.int64) -> np.int64:
    """Of left, up and corner give the nearest to left + up - corner; the first where they are equally near.

    Put left and up in order: corner is the nearest where it lies in the middle third between low and high,
    low where it lies above (3 corner >= low + 2 high), high where it lies below. With low + high = left + up
    moved to the other side, as stb_image does it too, the fewest steps lie between one pixel and the next.
    """
    rest = 3 * corner - (left + up)
    low = min(left, up)
    high = max(left, up)
    upper = low if high <= rest else corner
    return high if low >= rest else upper


@helper
def undo_paeth(line: Gray, above: Gray, row: Gray) -> None:
    """Add to each byte of a line what `paeth` foretells."""
    left = np.int64(0)
    corner = np.int64(0)
    for x in range(row.size):
        up = np.int64(above[x])
        left = (line[x] + paeth(left, up, corner)) & 255
        row[x] = left
        corner = up


@helper
def undo_two_paeth(line: Gray, above: Gray, row: Gray, between: Gray, line2: Gray, row2: Gray) -> None:
    """Undo two Paeth lines side by side, the lower one a pixel behind the upper.

    Every pixel waits for its left neighbor; two that do not wait for each other take little more time than
    one. The row above `row2` is `row` plus `between`: the Up line between the two, or zeros.
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
    """Say how far below line y the next Paeth line is: 1, or 2 with an Up line between, else 0."""
    height = len(lines)
    if y + 1 < height and lines[y + 1, 0] == PAETH:
        return 1
    if y + 2 < height and lines[y + 1, 0] == UP and lines[y + 2, 0] == PAETH:
        return 2
    return 0


@kernel
def unfilter(lines: Gray, pixels: Gray) -> bool:
    """Undo the filters.

    Parameters
    ----------
    lines : ndarray of uint8, shape (height, width + 1)
        As inflated: each line begins with the number of its filter.
    pixels : ndarray of uint8, shape (height, width)
        Takes the image.

    Returns
    -------
    bool
        False where a line names a filter that does not exist.
    """
    height, width = pixels.shape
    zeros = np.zeros(width, np.uint8)
    above = zeros
    y = 0
    while y < height:
        kind, line, row = lines[y, 0], lines[y, 1:], pixels[y]
        step = 0
        if kind == PAETH:
            step = next_paeth(lines, y)
            if step == 0:
                undo_paeth(line, above, row)
            else:
                between = lines[y + 1, 1:] if step == 2 else zeros
                undo_two_paeth(line, above, row, between, lines[y + step, 1:], pixels[y + step])
                if step == 2:
                    undo_up(between, row, pixels[y + 1])
        elif kind == AVERAGE:
            undo_average(line, above, row)
        elif kind == UP:
            undo_up(line, above, row)
        elif kind == SUB:
            undo_sub(line, row)
        elif kind == NONE:
            for x in range(width):
                row[x] = line[x]
        else:
            return False
        y += step + 1
        above = pixels[y - 1]
    return True
