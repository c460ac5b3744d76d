"""Count each component's border pixels by kind, 64 at a time, for scikit-image's estimate of the perimeter.

The estimate is that of K. Benkrid and D. Crookes (Design and FPGA implementation of a perimeter estimator) as
implemented by skimage.measure.perimeter with its default 4-neighborhood. A border pixel has a background
pixel among its four side neighbors. Depending on the number of border pixels among its side and corner
neighbors it adds 1, sqrt(2), (1 + sqrt(2)) / 2 or nothing.

With 8-connectivity a border pixel's neighbors belong to its own component, so the whole mask is classified at
once. With 4-connectivity two components may meet at a corner: those corners are found first and left out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ...machine.kernels import helper, kernel
from .bits import ALL_BITS, NO_BITS, ONE, WORD_BITS, Words, left_neighbors, popcount, right_neighbors
from .labels import Labels
from .runs import Bands, Runs

Borders = npt.NDArray[Any]
"""Records of `BORDER_DTYPE`, shape (components,): the number of border pixels of each kind."""

BORDER_DTYPE = np.dtype(
    [
        ("straight", np.int32),  # adds 1
        ("diagonal", np.int32),  # adds sqrt(2)
        ("bent", np.int32),  # adds (1 + sqrt(2)) / 2
    ],
    align=True,
)

Kinds = npt.NDArray[Any]
"""Records of one line's words, a bit set for each border pixel of that kind."""

_KINDS = np.dtype([("straight", np.uint64), ("diagonal", np.uint64), ("bent", np.uint64)], align=True)

Corners = npt.NDArray[np.uint64]
"""Corners where two components meet between two rows, in the place of the upper pixel; shape (2, words)."""

FALLING = 0  # the lower pixel is on the right
RISING = 1

ThreeWords = tuple[np.uint64, np.uint64, np.uint64]
FourWords = tuple[np.uint64, np.uint64, np.uint64, np.uint64]

# In a band of equal rows only the outer two lines on either side can differ from the rest; line 2 stands for
# all rows between them.
DISTINCT_LINES = 5
REPEATED_LINE = 2


@kernel
def count_border_pixels(
    words: Words, bands: Bands, runs: Runs, labels: Labels, eight_connected: bool, borders: Borders
) -> None:
    """Count each component's border pixels of each kind.

    Parameters
    ----------
    words, bands, runs, labels
        As returned by `runs` and `labels`.
    eight_connected : bool
        Whether pixels that share only a corner are connected.
    borders : Borders
        Zeros, to which the counts are added.
    """
    border, first_lines = find_border(words, bands)
    no_corners = np.zeros((2, words.shape[1]), np.uint64)
    corners_above, corners_below = no_corners.copy(), no_corners.copy()
    kinds = np.empty(words.shape[1], _KINDS)
    for band in range(bands.size - 1):
        corners_above, corners_below = corners_below, corners_above
        if not eight_connected:
            find_corners(words, bands, band, labels, corners_below)
        if bands[band]["first_run"] == bands[band + 1]["first_run"]:
            continue
        first_line, stop_line = first_lines[band], first_lines[band + 1]
        for line in range(first_line, stop_line):
            classify_line(border, line, kinds)
            if not eight_connected:
                # Equal rows never meet only at a corner, so only a band's first and last lines are concerned.
                above = corners_above if line == first_line else no_corners
                below = corners_below if line == stop_line - 1 else no_corners
                classify_across_corners(border, line, above, below, kinds)
            rows = 1
            if line == first_line + REPEATED_LINE:
                rows += (bands[band + 1]["top"] - bands[band]["top"]) - (stop_line - first_line)
            add_line(
                kinds, rows, bands[band]["first_run"], bands[band + 1]["first_run"], runs, labels, borders
            )


@helper
def find_border(words: Words, bands: Bands) -> tuple[Words, npt.NDArray[np.int64]]:
    """Keep the pixels with a background side neighbor, in at most `DISTINCT_LINES` lines per band.

    Returns
    -------
    border : ndarray of uint64, shape (lines + 2, words per row + 2)
        Line i is in row i + 1, between two rows of zeros.
    first_lines : ndarray of int64, shape (bands + 1,)
        First line of each band, and the number of lines.
    """
    first_lines = np.empty(bands.size, np.int64)
    first_lines[0] = 0
    for band in range(bands.size - 1):
        height = bands[band + 1]["top"] - bands[band]["top"]
        first_lines[band + 1] = first_lines[band] + min(height, DISTINCT_LINES)
    border = np.empty((first_lines[-1] + 2, words.shape[1]), np.uint64)
    border[0] = NO_BITS
    border[-1] = NO_BITS
    for band in range(bands.size - 1):
        row = words[band + 1]
        for line in range(first_lines[band], first_lines[band + 1]):
            above = words[band] if line == first_lines[band] else row
            below = words[band + 2] if line == first_lines[band + 1] - 1 else row
            out = border[line + 1]
            out[0] = out[-1] = NO_BITS
            for k in range(1, row.size - 1):
                out[k] = row[k] & ~(above[k] & below[k] & left_neighbors(row, k) & right_neighbors(row, k))
    return border, first_lines


@helper
def classify_line(border: Words, line: int, kinds: Kinds) -> None:
    """Classify the border pixels of one line, as if all their neighbors were of one component.

    There is no branch, and only one array is written, so LLVM vectorizes the loop.

    Parameters
    ----------
    border : ndarray of uint64, shape (lines + 2, words per row + 2)
    line : int
    kinds : Kinds, shape (words per row + 2,)
        Filled.
    """
    for k in range(1, border.shape[1] - 1):
        up, row, low = border[line, k], border[line + 1, k], border[line + 2, k]
        kinds[k]["straight"], kinds[k]["diagonal"], kinds[k]["bent"] = classify_pixels(
            row,
            (up, low, left_neighbors(border[line + 1], k), right_neighbors(border[line + 1], k)),
            (
                left_neighbors(border[line], k),
                right_neighbors(border[line], k),
                left_neighbors(border[line + 2], k),
                right_neighbors(border[line + 2], k),
            ),
        )


@helper
def classify_across_corners(
    border: Words, line: int, corners_above: Corners, corners_below: Corners, kinds: Kinds
) -> None:
    """Classify again the border pixels of those words in which two components meet at a corner.

    Parameters
    ----------
    border, line, kinds
        As in `classify_line`.
    corners_above, corners_below : Corners
        Between the line above and this one, and between this line and the one below.
    """
    for k in range(1, border.shape[1] - 1):
        up_left = left_neighbors(corners_above[FALLING], k)
        up_right = right_neighbors(corners_above[RISING], k)
        low_left, low_right = corners_below[RISING, k], corners_below[FALLING, k]
        if up_left | up_right | low_left | low_right != NO_BITS:
            up, row, low = border[line], border[line + 1], border[line + 2]
            kinds[k]["straight"], kinds[k]["diagonal"], kinds[k]["bent"] = classify_pixels(
                row[k],
                (up[k], low[k], left_neighbors(row, k), right_neighbors(row, k)),
                (
                    left_neighbors(up, k) & ~up_left,
                    right_neighbors(up, k) & ~up_right,
                    left_neighbors(low, k) & ~low_left,
                    right_neighbors(low, k) & ~low_right,
                ),
            )


@helper
def classify_pixels(row: np.uint64, side_neighbors: FourWords, corner_neighbors: FourWords) -> ThreeWords:
    """Return which border pixels of a word are straight, diagonal and bent, by their border neighbors."""
    side_1, side_2, side_4 = add_bits(side_neighbors)
    corner_1, corner_2, corner_4 = add_bits(corner_neighbors)
    no_side, one_side = ~(side_1 | side_2 | side_4), side_1 & ~side_2
    two_corners, three_corners = corner_2 & ~corner_1, corner_1 & corner_2
    return (
        row & side_2 & ~three_corners & ~corner_4,
        row & ((no_side & two_corners) | (one_side & three_corners)),
        row & one_side & (corner_1 ^ corner_2),
    )


@helper
def add_bits(bits: FourWords) -> ThreeWords:
    """Add four bits in each place of a word; return the sum's ones, twos and fours."""
    a, b, c, d = bits
    return a ^ b ^ c ^ d, (a & b) ^ (c & d) ^ ((a ^ b) & (c ^ d)), a & b & c & d


@helper
def add_line(
    kinds: Kinds, rows: int, run: int, stop: int, runs: Runs, labels: Labels, borders: Borders
) -> None:
    """Add the border pixels of the runs run:stop to their components' counts, once for each equal row."""
    while run < stop:
        label, start = labels[run], runs[run]["start"]
        run += 1
        # Most neighbors in a row belong to the same component, and no border pixel lies between them.
        while run < stop and labels[run] == label:
            run += 1
        straight = diagonal = bent = 0
        inside = ALL_BITS << np.uint64(start % WORD_BITS)
        end = runs[run - 1]["end"]
        last = end // WORD_BITS + 1
        for k in range(start // WORD_BITS + 1, last + 1):
            if k == last:
                inside &= ALL_BITS >> np.uint64(WORD_BITS - 1 - end % WORD_BITS)
            straight += popcount(kinds[k]["straight"] & inside)
            diagonal += popcount(kinds[k]["diagonal"] & inside)
            bent += popcount(kinds[k]["bent"] & inside)
            inside = ALL_BITS
        total = borders[label]
        total["straight"] += rows * straight
        total["diagonal"] += rows * diagonal
        total["bent"] += rows * bent


@helper
def find_corners(words: Words, bands: Bands, band: int, labels: Labels, corners: Corners) -> None:
    """Mark where different components meet at a corner, between a band and the next one below.

    The two runs are found by counting the first pixels left of the corner.
    """
    up, low = words[band + 1], words[band + 2]
    up_run, low_run = bands[band]["first_run"], bands[band + 1]["first_run"]
    for k in range(1, low.size - 1):
        up_starts = up[k] & ~left_neighbors(up, k)
        low_starts = low[k] & ~left_neighbors(low, k)
        falling = up[k] & ~low[k] & right_neighbors(low, k) & ~right_neighbors(up, k)
        rising = up[k] & ~low[k] & left_neighbors(low, k) & ~left_neighbors(up, k)
        # A lower run on the right begins after the corner; one on the left is the last that began before it.
        corners[FALLING, k] = keep_separating(falling, up_starts, low_starts, up_run - 1, low_run, labels)
        corners[RISING, k] = keep_separating(rising, up_starts, low_starts, up_run - 1, low_run - 1, labels)
        up_run += popcount(up_starts)
        low_run += popcount(low_starts)


@helper
def keep_separating(
    corners: np.uint64, up_starts: np.uint64, low_starts: np.uint64, up_run: int, low_run: int, labels: Labels
) -> np.uint64:
    """Keep those corners of a word whose two runs belong to different components."""
    kept = NO_BITS
    while corners != NO_BITS:
        corner = corners & ~(corners - ONE)
        up_to_corner = corner | (corner - ONE)
        up_label = labels[up_run + popcount(up_starts & up_to_corner)]
        if up_label != labels[low_run + popcount(low_starts & up_to_corner)]:
            kept |= corner
        corners ^= corner
    return kept
