"""Label the connected components: union-find over runs, two rows at a time.

Run-based labeling as in L. He, Y. Chao and K. Suzuki (IEEE Trans. Image Process. 17(5), 2008), on bits. Two
runs of adjacent rows touch in exactly one column where one of them begins next to the other. So the touching
pairs are the set bits of a word, and the number of first pixels up to such a bit identifies the two runs.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ...machine.kernels import helper, kernel
from .bits import NO_BITS, ONE, Words, left_neighbors, popcount
from .runs import Bands

Labels = npt.NDArray[np.int32]


@kernel
def label_runs(words: Words, bands: Bands, eight_connected: bool) -> tuple[Labels, int]:
    """Find the connected component of every run.

    Parameters
    ----------
    words, bands
        As returned by `runs.pack_rows`.
    eight_connected : bool
        Whether pixels that share only a corner are connected.

    Returns
    -------
    labels : ndarray of int32, shape (runs,)
        Component of each run, from 0, in raster order of the components' first pixels.
    count : int
        Number of components.
    """
    parents = np.empty(bands[-1]["first_run"], np.int32)
    for run in range(parents.size):
        parents[run] = run
    for lower in range(1, bands.size - 1):
        first_run = bands[lower]["first_run"]
        if bands[lower - 1]["first_run"] < first_run < bands[lower + 1]["first_run"]:
            join_bands(words, lower, bands, eight_connected, parents)
    return parents, replace_parents_by_labels(parents)


@helper
def join_bands(words: Words, lower: int, bands: Bands, eight_connected: bool, parents: Labels) -> None:
    """Join the runs of band `lower` to the touching runs of the band above.

    Where every foreground column of a word is linked to the column on its left, all runs of the word belong
    to one component: they are joined at once, which keeps dense patterns fast.
    """
    up, low = words[lower], words[lower + 1]
    up_run, low_run = bands[lower - 1]["first_run"], bands[lower]["first_run"]
    for k in range(1, low.size - 1):
        if up[k] | low[k] == NO_BITS:
            continue
        up_left, low_left = left_neighbors(up, k), left_neighbors(low, k)
        up_starts, low_starts = up[k] & ~up_left, low[k] & ~low_left
        if eight_connected:
            pairs = (up_starts & (low[k] | low_left)) | (low_starts & (up[k] | up_left))
            linked = up_left | low_left
        else:
            pairs = (up_starts & low[k]) | (low_starts & up[k])
            linked = (up[k] & up_left) | (low[k] & low_left)
        up_stop, low_stop = up_run + popcount(up_starts), low_run + popcount(low_starts)
        if pairs != NO_BITS and (up[k] | low[k]) & ~linked == NO_BITS:
            previous = up_run - 1 if up_left & ONE != NO_BITS else low_run - 1
            join_all(previous, up_run, up_stop, low_run, low_stop, parents)
        else:
            join_pairs(pairs, up_starts, low_starts, up_run, low_run, parents)
        up_run, low_run = up_stop, low_stop


@helper
def join_pairs(
    pairs: np.uint64, up_starts: np.uint64, low_starts: np.uint64, up_run: int, low_run: int, parents: Labels
) -> None:
    """Join the two runs of each bit in `pairs`; `up_run` and `low_run` are the next runs of the two rows."""
    while pairs != NO_BITS:
        up_to_pair = pairs ^ (pairs - ONE)
        join(
            up_run - 1 + popcount(up_starts & up_to_pair),
            low_run - 1 + popcount(low_starts & up_to_pair),
            parents,
        )
        pairs &= pairs - ONE


@helper
def join_all(previous: int, up_run: int, up_stop: int, low_run: int, low_stop: int, parents: Labels) -> None:
    """Join the upper runs up_run:up_stop and the lower runs low_run:low_stop to the run `previous`.

    The lower runs have not been joined to anything yet.
    """
    for run in range(up_run, up_stop):
        if parents[run] != parents[previous]:
            join(run, previous, parents)
    root = parents[previous]
    while parents[root] != root:
        root = parents[root]
    for run in range(low_run, low_stop):
        parents[run] = root


@helper
def join(one: int, other: int, parents: Labels) -> None:
    """Unite two runs' trees under the smaller root, by Rem's algorithm with splicing.

    The fastest of those that M. Patwary, J. Blair and F. Manne (SEA 2010) compared: of the two runs, the one
    with the larger parent climbs, and each node it leaves is given the smaller parent.
    """
    parent_one, parent_other = parents[one], parents[other]
    while parent_one != parent_other:
        if parent_one < parent_other:
            parents[other] = parent_one
            if other == parent_other:
                break
            other, parent_other = parent_other, parents[parent_other]
        else:
            parents[one] = parent_other
            if one == parent_one:
                break
            one, parent_one = parent_one, parents[parent_one]


@helper
def replace_parents_by_labels(parents: Labels) -> int:
    """Turn parents into labels in place and count them, in one pass, since a parent precedes its run."""
    count = 0
    for run in range(parents.size):
        if parents[run] == run:
            parents[run] = count
            count += 1
        else:
            parents[run] = parents[parents[run]]
    return count
