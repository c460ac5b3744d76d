"""Border pixels of each component, by kind, for scikit-image's estimate of the perimeter; 64 pixels at a time.

The estimate is that of K. Benkrid and D. Crookes (Design and FPGA implementation of a perimeter estimator) as
skimage.measure.perimeter has it with its default 4-neighbourhood. A border pixel is one with background beside
it; by the number of border pixels beside it and at its corners it adds 1, sqrt(2), (1 + sqrt(2)) / 2 or nothing.

By 8-connectivity a border pixel's neighbours are of its own component, so the whole picture is classified at
once. By 4-connectivity two components may meet at a corner: those corners are found first and left out.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .jit import helper, kernel
from .runs import Columns, Counts
from .union import Labels
from .words import ALL, BITS, NONE, ONE, Words, left_of, popcount, right_of

Edges = npt.NDArray[np.int32]

# In a band of equal rows only the outermost two on either side can differ from the rest: one line stands for it.
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
    count: int,
    diagonal: bool,
) -> Edges:
    """Count each component's border pixels of each kind.

    Parameters
    ----------
    words, first, tops, starts, ends : ndarray
        As `runs` gives them.
    labels, count, diagonal
        As `union.join` gives and takes them.

    Returns
    -------
    ndarray of int32, shape (count, 3)
        Number of pixels that add 1, sqrt(2) and (1 + sqrt(2)) / 2.
    """
    border, lines = find_border(words, tops)
    apart = np.zeros((2, words.shape[1]), np.uint64)
    over, under = apart.copy(), apart.copy()
    kinds = np.empty((words.shape[1], 3), np.uint64)
    counts = np.zeros((count, 3), np.int32)
    for band in range(first.size - 1):
        over, under = under, over
        if not diagonal:
            find_corners(words, first, band, labels, under)
        if first[band] == first[band + 1]:
            continue
        for line in range(lines[band], lines[band + 1]):
            # Equal rows never meet at a corner alone: within a band nothing is to be kept apart.
            above = over if line == lines[band] else apart
            below = under if line == lines[band + 1] - 1 else apart
            classify(border[line : line + 3], above, below, kinds)
            rows = 1
            if line == lines[band] + STANDING:
                rows += (tops[band + 1] - tops[band]) - (lines[band + 1] - lines[band])
            run = first[band]
            while run < first[band + 1]:
                # Neighbours in a row are mostly the same component's, and between them is no border pixel.
                label, start = labels[run], starts[run]
                while run < first[band + 1] and labels[run] == label:
                    run += 1
                ones, roots, halves = count_kinds(kinds, start, ends[run - 1])
                counts[label, 0] += rows * ones
                counts[label, 1] += rows * roots
                counts[label, 2] += rows * halves
    return counts


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
def classify(border: Words, over: Words, under: Words, kinds: Words) -> None:
    """Sort the border pixels of the middle one of three lines by what they add.

    Parameters
    ----------
    border : ndarray of uint64, shape (3, words in a row + 2)
    over, under : ndarray of uint64, shape (2, words in a row + 2)
        Corners between the first two lines, and the last two, that part components; as `find_corners` marks them.
    kinds : ndarray of uint64, shape (words in a row + 2, 3)
        Filled with the pixels that add 1, sqrt(2) and (1 + sqrt(2)) / 2.
    """
    up, row, low = border[0], border[1], border[2]
    for k in range(1, row.size - 1):
        if row[k] == NONE:
            kinds[k, 0] = kinds[k, 1] = kinds[k, 2] = NONE
            continue
        beside = add_bits(up[k], low[k], left_of(row, k), right_of(row, k))
        corners = add_bits(
            left_of(up, k) & ~left_of(over[0], k),
            right_of(up, k) & ~right_of(over[1], k),
            left_of(low, k) & ~under[1, k],
            right_of(low, k) & ~under[0, k],
        )
        none_beside = ~(beside[0] | beside[1] | beside[2])
        one_beside = beside[0] & ~beside[1]
        two_or_three_beside = beside[1]
        three_corners = corners[0] & corners[1]
        kinds[k, 0] = row[k] & two_or_three_beside & ~three_corners & ~corners[2]
        kinds[k, 1] = row[k] & ((none_beside & corners[1] & ~corners[0]) | (one_beside & three_corners))
        kinds[k, 2] = row[k] & one_beside & (corners[0] ^ corners[1])


@helper
def add_bits(
    a: np.uint64, b: np.uint64, c: np.uint64, d: np.uint64
) -> tuple[np.uint64, np.uint64, np.uint64]:
    """Add up four bits in each place of a word; give the sum's ones, twos and fours."""
    return a ^ b ^ c ^ d, (a & b) ^ (c & d) ^ ((a ^ b) & (c ^ d)), a & b & c & d


@helper
def count_kinds(kinds: Words, start: int, end: int) -> tuple[int, int, int]:
    """Count the border pixels of each kind from one column to another, both included."""
    ones = roots = halves = 0
    begin, stop = start // BITS + 1, end // BITS + 1
    inside = ALL << np.uint64(start % BITS)
    for k in range(begin, stop + 1):
        if k == stop:
            inside &= ALL >> np.uint64(BITS - 1 - end % BITS)
        ones += popcount(kinds[k, 0] & inside)
        roots += popcount(kinds[k, 1] & inside)
        halves += popcount(kinds[k, 2] & inside)
        inside = ALL
    return ones, roots, halves


@helper
def find_corners(words: Words, first: Counts, band: int, labels: Labels, corners: Words) -> None:
    """Mark where different components meet at a corner, between a band and the one below.

    corners[0] holds the falling ones (the lower pixel is to the right), corners[1] the rising ones, both in the
    place of the upper pixel. The runs that meet are found by counting the beginnings left of the corner.
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
