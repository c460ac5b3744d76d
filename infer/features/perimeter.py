"""Border pixels of each component, by kind, for scikit-image's estimate of the perimeter; 64 at a time.

The estimate is that of K. Benkrid and D. Crookes (Design and FPGA implementation of a perimeter estimator) as
skimage.measure.perimeter has it with its default 4-neighborhood. A border pixel is one with background
beside it; by the number of border pixels beside it and at its corners it adds 1, sqrt(2), (1 + sqrt(2)) / 2
or nothing.

By 8-connectivity a border pixel's neighbors are of its own component, so the whole image is classified at
once. By 4-connectivity two components may meet at a corner: those corners are found first and left out.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ...machine.kernels import helper, kernel
from .bits import ALL, BITS, NONE, ONE, Words, left_of, popcount, right_of
from .labels import Labels
from .runs import Columns, Counts

Edges = npt.NDArray[np.int32]
Three = tuple[np.uint64, np.uint64, np.uint64]
Four = tuple[np.uint64, np.uint64, np.uint64, np.uint64]

# In a band of equal rows only the outermost two on either side can differ from the rest, and one line stands
# for all the rest.
DISTINCT = 5
STANDING = 2


@kernel
def edges(
    words: Words,
    starts: Columns,
    ends: Columns,
    first: Counts,
    tops: Counts,
    labels: Labels,
    diagonal: bool,
    counts: Edges,
) -> None:
    """Count each component's border pixels of each kind.

    Parameters
    ----------
    words, starts, ends, first, tops, labels : ndarray
        As `runs` and `union` give them.
    diagonal : bool
        Whether pixels that meet by a corner are connected.
    counts : ndarray of int32, shape (count, 3)
        Zeros, to which the number of pixels is added that add 1, sqrt(2) and (1 + sqrt(2)) / 2.
    """
    border, lines = find_border(words, tops)
    apart = np.zeros((2, words.shape[1]), np.uint64)
    over, under = apart.copy(), apart.copy()
    kinds = np.empty((words.shape[1], 3), np.uint64)
    for band in range(first.size - 1):
        over, under = under, over
        if not diagonal:
            find_corners(words, first, band, labels, under)
        if first[band] == first[band + 1]:
            continue
        for line in range(lines[band], lines[band + 1]):
            classify(border, line, kinds)
            if not diagonal:
                # Equal rows never meet at a corner alone: what is to be kept apart is at a band's ends.
                above = over if line == lines[band] else apart
                below = under if line == lines[band + 1] - 1 else apart
                keep_apart(border, line, above, below, kinds)
            rows = 1
            if line == lines[band] + STANDING:
                rows += (tops[band + 1] - tops[band]) - (lines[band + 1] - lines[band])
            add_row(kinds, rows, starts, ends, labels, first[band], first[band + 1], counts)


@helper
def find_border(words: Words, tops: Counts) -> tuple[Words, Counts]:
    """Keep the pixels with background beside them, in at most `DISTINCT` lines a band.

    Returns
    -------
    border : ndarray of uint64, shape (lines + 2, words in a row + 2)
        Row i + 1 is line i; rows of zeros lie above and below.
    lines : ndarray of int64, shape (bands + 1,)
        Number of lines above each band, and in all.
    """
    lines = np.empty_like(tops)
    lines[0] = 0
    for band in range(tops.size - 1):
        lines[band + 1] = lines[band] + min(tops[band + 1] - tops[band], DISTINCT)
    border = np.empty((lines[-1] + 2, words.shape[1]), np.uint64)
    border[0] = NONE
    border[-1] = NONE
    for band in range(tops.size - 1):
        row = words[band + 1]
        for line in range(lines[band], lines[band + 1]):
            above = words[band] if line == lines[band] else row
            below = words[band + 2] if line == lines[band + 1] - 1 else row
            out = border[line + 1]
            out[0] = out[-1] = NONE
            for k in range(1, row.size - 1):
                out[k] = row[k] & ~(above[k] & below[k] & left_of(row, k) & right_of(row, k))
    return border, lines


@helper
def classify(border: Words, line: int, kinds: Words) -> None:
    """Sort the border pixels of one line by what they add, as if all neighbors were of one component.

    There is no branch, and only one array is written: so LLVM takes several words at once.

    Parameters
    ----------
    border : ndarray of uint64, shape (lines + 2, words in a row + 2)
    line : int
    kinds : ndarray of uint64, shape (words in a row + 2, 3)
        Filled with the pixels that add 1, sqrt(2) and (1 + sqrt(2)) / 2.
    """
    for k in range(1, border.shape[1] - 1):
        up, row, low = border[line, k], border[line + 1, k], border[line + 2, k]
        kinds[k, 0], kinds[k, 1], kinds[k, 2] = sort_pixels(
            row,
            (up, low, left_of(border[line + 1], k), right_of(border[line + 1], k)),
            (
                left_of(border[line], k),
                right_of(border[line], k),
                left_of(border[line + 2], k),
                right_of(border[line + 2], k),
            ),
        )


@helper
def keep_apart(border: Words, line: int, over: Words, under: Words, kinds: Words) -> None:
    """Sort again the border pixels of those words in which components meet at a corner.

    `over` and `under` are the corners above the line and below it, as `find_corners` marks them.
    """
    for k in range(1, border.shape[1] - 1):
        up_left, up_right = left_of(over[0], k), right_of(over[1], k)
        low_left, low_right = under[1, k], under[0, k]
        if up_left | up_right | low_left | low_right != NONE:
            up, row, low = border[line], border[line + 1], border[line + 2]
            kinds[k, 0], kinds[k, 1], kinds[k, 2] = sort_pixels(
                row[k],
                (up[k], low[k], left_of(row, k), right_of(row, k)),
                (
                    left_of(up, k) & ~up_left,
                    right_of(up, k) & ~up_right,
                    left_of(low, k) & ~low_left,
                    right_of(low, k) & ~low_right,
                ),
            )


@helper
def sort_pixels(row: np.uint64, beside: Four, corners: Four) -> Three:
    """Tell which border pixels of a word add 1, sqrt(2) and (1 + sqrt(2)) / 2, by their border neighbors."""
    one, two, four = add_bits(beside)
    corner_one, corner_two, corner_four = add_bits(corners)
    none_beside, one_beside = ~(one | two | four), one & ~two
    two_corners, three_corners = corner_two & ~corner_one, corner_one & corner_two
    return (
        row & two & ~three_corners & ~corner_four,
        row & ((none_beside & two_corners) | (one_beside & three_corners)),
        row & one_beside & (corner_one ^ corner_two),
    )


@helper
def add_bits(bits: Four) -> Three:
    """Add up four bits in each place of a word; give the sum's ones, twos and fours."""
    a, b, c, d = bits
    return a ^ b ^ c ^ d, (a & b) ^ (c & d) ^ ((a ^ b) & (c ^ d)), a & b & c & d


@helper
def add_row(
    kinds: Words,
    rows: int,
    starts: Columns,
    ends: Columns,
    labels: Labels,
    run: int,
    stop: int,
    counts: Edges,
) -> None:
    """Add the border pixels of the runs run:stop to their components' counts, once for each equal row."""
    while run < stop:
        label, start = labels[run], starts[run]
        run += 1
        # The next runs in a row are mostly the same component's, and between them is no border pixel.
        while run < stop and labels[run] == label:
            run += 1
        ones = roots = halves = 0
        inside = ALL << np.uint64(start % BITS)
        last = ends[run - 1] // BITS + 1
        for k in range(start // BITS + 1, last + 1):
            if k == last:
                inside &= ALL >> np.uint64(BITS - 1 - ends[run - 1] % BITS)
            ones += popcount(kinds[k, 0] & inside)
            roots += popcount(kinds[k, 1] & inside)
            halves += popcount(kinds[k, 2] & inside)
            inside = ALL
        counts[label, 0] += rows * ones
        counts[label, 1] += rows * roots
        counts[label, 2] += rows * halves


@helper
def find_corners(words: Words, first: Counts, band: int, labels: Labels, corners: Words) -> None:
    """Mark where different components meet at a corner, between a band and the one below.

    corners[0] holds the falling ones (the lower pixel is on the right), corners[1] the rising ones, both in
    the place of the upper pixel. The runs that meet are found by counting the beginnings left of the corner.
    """
    up, low = words[band + 1], words[band + 2]
    ups, lows = first[band], first[band + 1]
    for k in range(1, low.size - 1):
        up_starts = up[k] & ~left_of(up, k)
        low_starts = low[k] & ~left_of(low, k)
        falling = up[k] & ~low[k] & right_of(low, k) & ~right_of(up, k)
        rising = up[k] & ~low[k] & left_of(low, k) & ~left_of(up, k)
        # A lower run on the right has yet to begin; one on the left is the last that began.
        corners[0, k] = keep_foreign(falling, up_starts, low_starts, ups - 1, lows, labels)
        corners[1, k] = keep_foreign(rising, up_starts, low_starts, ups - 1, lows - 1, labels)
        ups += popcount(up_starts)
        lows += popcount(low_starts)


@helper
def keep_foreign(
    corners: np.uint64, up_starts: np.uint64, low_starts: np.uint64, ups: int, lows: int, labels: Labels
) -> np.uint64:
    """Keep those corners of a word whose two runs have different labels."""
    kept = NONE
    while corners != NONE:
        corner = corners & ~(corners - ONE)
        up_to = corner | (corner - ONE)
        if labels[ups + popcount(up_starts & up_to)] != labels[lows + popcount(low_starts & up_to)]:
            kept |= corner
        corners ^= corner
    return kept
