"""Kernels of the lungs: the edges of either lung in each row, and the pixels of a mask in their zones.

Masks come as runs, as in `moments`, and no pixel is visited. `side_of` gives the side of each component: 0
(left in the image), 1 (right) or `BOTH`, a component that is cut at the column `split`, the first of side 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ...machine.kernels import helper, kernel
from .labels import Labels
from .runs import Bands, Runs

BOTH = 2

NO_EDGE = 1 << 32

Edges = npt.NDArray[np.int64]
"""First and last column of either lung in each row, shape (2, height, 2); last < first: none."""

ZONES_DTYPE = np.dtype([("thirds", np.int64, 3), ("peripheral", np.int64)], align=True)


@kernel
def find_edges(
    bands: Bands, runs: Runs, labels: Labels, side_of: npt.NDArray[np.int8], split: int, edges: Edges
) -> tuple[int, int]:
    """Fill in the edges of both lungs; return the area of each."""
    areas = np.zeros(2, np.int64)
    for band in range(bands.size - 1):
        top, bottom = bands[band]["top"], bands[band + 1]["top"]
        for side in range(2):
            edges[side, top, 0] = NO_EDGE
            edges[side, top, 1] = -1
        for run in range(bands[band]["first_run"], bands[band + 1]["first_run"]):
            for side in range(2):
                start, end = piece(runs[run]["start"], runs[run]["end"], side_of[labels[run]], side, split)
                if start <= end:
                    areas[side] += (end - start + 1) * (bottom - top)
                    edges[side, top, 0] = min(edges[side, top, 0], start)
                    edges[side, top, 1] = end
        for row in range(top + 1, bottom):
            for side in range(2):
                edges[side, row, 0] = edges[side, top, 0]
                edges[side, row, 1] = edges[side, top, 1]
    return areas[0], areas[1]


@kernel
def count_in_zones(
    bands: Bands,
    runs: Runs,
    labels: Labels,
    side_of: npt.NDArray[np.int8],
    split: int,
    edges: Edges,
    heights: npt.NDArray[np.int64],
    mask_bands: Bands,
    mask_runs: Runs,
    zones: npt.NDArray[Any],
) -> None:
    """Count the pixels of a mask inside the lungs by zone.

    Parameters
    ----------
    bands, runs, labels, side_of, split, edges
        Of the lungs.
    heights : ndarray of int64, shape (2, 2)
        First row of either lung, and the row after its last; its thirds are of the same height.
    mask_bands, mask_runs
        Of the mask.
    zones : ndarray of ZONES_DTYPE, shape (1,)
        Zeros; the pixels are added.
    """
    band = mask_band = 0
    for row in range(edges.shape[1]):
        band += bands[band + 1]["top"] == row
        mask_band += mask_bands[mask_band + 1]["top"] == row
        run, stop = bands[band]["first_run"], bands[band + 1]["first_run"]
        other, other_stop = mask_bands[mask_band]["first_run"], mask_bands[mask_band + 1]["first_run"]
        while run < stop and other < other_stop:
            start = max(runs[run]["start"], mask_runs[other]["start"])
            end = min(runs[run]["end"], mask_runs[other]["end"])
            if start <= end:
                for side in range(2):
                    first, last = piece(start, end, side_of[labels[run]], side, split)
                    if first <= last:
                        add_run(first, last, row, side, edges, heights, zones)
            if runs[run]["end"] < mask_runs[other]["end"]:
                run += 1
            else:
                other += 1


@helper
def add_run(
    first: int,
    last: int,
    row: int,
    side: int,
    edges: Edges,
    heights: npt.NDArray[np.int64],
    zones: npt.NDArray[Any],
) -> None:
    """Add the pixels from `first` to `last` of a row of one lung to its zones."""
    top, bottom = heights[side]
    third = (2 * (row - top) + 1) * 3 // (2 * (bottom - top))  # where the center of the row lies
    zones[0]["thirds"][min(max(third, 0), 2)] += last - first + 1
    # A pixel whose center is nearer to the lateral edge than to the medial one is peripheral.
    edge_sum = edges[side, row, 0] + edges[side, row, 1]
    if side == 0:
        last = min(last, (edge_sum + 1) // 2 - 1)
    else:
        first = max(first, edge_sum // 2 + 1)
    zones[0]["peripheral"] += max(0, last - first + 1)


@helper
def piece(start: int, end: int, of_component: int, side: int, split: int) -> tuple[int, int]:
    """Return what of a run is on a side; its end is before its start if nothing is."""
    first, last = int(start), int(end)  # of 64 bits: columns are of 32
    if of_component == BOTH and side == 0:
        last = min(last, split - 1)
    elif of_component == BOTH:
        first = max(first, split)
    elif of_component != side:
        last = first - 1
    return first, last
