"""Which runs belong together: union-find over runs, two rows at a time.

Run-based labelling as in L. He, Y. Chao and K. Suzuki (IEEE Trans. Image Process. 17(5), 2008), by bits. Two
runs touch, one in each row, where one begins beside the other: each touching pair has just one such column,
so the pairs are the bits of a word, and which runs they are is the number of beginnings up to that bit.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ...machine.kernels import helper, kernel
from .bits import NONE, ONE, Words, left_of, popcount
from .runs import Counts

Labels = npt.NDArray[np.int32]


@kernel
def join(words: Words, first: Counts, diagonal: bool) -> tuple[Labels, int]:
    """Find the component of every run.

    Parameters
    ----------
    words, first : ndarray
        As `runs.pack` gives them.
    diagonal : bool
        Whether pixels that meet by a corner are connected (8-connectivity).

    Returns
    -------
    labels : ndarray of int32, shape (runs,)
        Component of each run, from 0, in raster order of the components' first pixels.
    count : int
        Number of components.
    """
    parents = np.empty(first[-1], np.int32)
    for run in range(parents.size):
        parents[run] = run
    for band in range(1, first.size - 1):
        if first[band - 1] < first[band] < first[band + 1]:
            join_rows(words, band, first, diagonal, parents)
    return parents, number(parents)


@helper
def join_rows(words: Words, band: int, first: Counts, diagonal: bool, parents: Labels) -> None:
    """Join the runs of a band to those of the band above.

    Together the two rows fall into parts, which also are found by bits: a column with foreground begins one
    if nothing links it to the column on its left. A word in which none begins is all of one part: its runs
    are taken at once, which keeps dense patterns quick.
    """
    up, low = words[band], words[band + 1]
    ups, lows = first[band - 1], first[band]
    for k in range(1, low.size - 1):
        if up[k] | low[k] == NONE:
            continue
        up_left, low_left = left_of(up, k), left_of(low, k)
        up_starts, low_starts = up[k] & ~up_left, low[k] & ~low_left
        if diagonal:
            pairs = (up_starts & (low[k] | low_left)) | (low_starts & (up[k] | up_left))
            linked = up_left | low_left
        else:
            pairs = (up_starts & low[k]) | (low_starts & up[k])
            linked = (up[k] & up_left) | (low[k] & low_left)
        up_end, low_end = ups + popcount(up_starts), lows + popcount(low_starts)
        if pairs != NONE and (up[k] | low[k]) & ~linked == NONE:
            before = ups - 1 if up_left & ONE != NONE else lows - 1
            join_all(before, ups, up_end, lows, low_end, parents)
        else:
            join_pairs(pairs, up_starts, low_starts, ups, lows, parents)
        ups, lows = up_end, low_end


@helper
def join_pairs(
    pairs: np.uint64, up_starts: np.uint64, low_starts: np.uint64, ups: int, lows: int, parents: Labels
) -> None:
    """Link the two runs of each bit in `pairs`; `ups` and `lows` are the numbers of the rows' next runs."""
    while pairs != NONE:
        up_to = pairs ^ (pairs - ONE)
        link(ups - 1 + popcount(up_starts & up_to), lows - 1 + popcount(low_starts & up_to), parents)
        pairs &= pairs - ONE


@helper
def join_all(before: int, up: int, up_end: int, low: int, low_end: int, parents: Labels) -> None:
    """Join the upper runs up:up_end and the lower runs low:low_end, as yet alone, to the run `before`."""
    for run in range(up, up_end):
        if parents[run] != parents[before]:
            link(run, before, parents)
    root = parents[before]
    while parents[root] != root:
        root = parents[root]
    for run in range(low, low_end):
        parents[run] = root


@helper
def link(one: int, other: int, parents: Labels) -> None:
    """Unite two runs' trees under the smaller root, by Rem's algorithm with splicing.

    The quickest of those compared by M. Patwary, J. Blair and F. Manne (SEA 2010): both runs climb in turn,
    the one with the larger parent, and each place it leaves is hung lower.
    """
    above_one, above_other = parents[one], parents[other]
    while above_one != above_other:
        if above_one < above_other:
            parents[other] = above_one
            if other == above_other:
                break
            other, above_other = above_other, parents[above_other]
        else:
            parents[one] = above_other
            if one == above_one:
                break
            one, above_one = above_one, parents[above_one]


@helper
def number(parents: Labels) -> int:
    """Turn parents into labels, in place; a parent never comes after its run, so one pass is enough."""
    count = 0
    for run in range(parents.size):
        if parents[run] == run:
            parents[run] = count
            count += 1
        else:
            parents[run] = parents[parents[run]]
    return count
