"""Sums over each component's pixels, in closed form per run: no pixel is visited.

A run s..e over the rows t..b-1 is a rectangle of n = e-s+1 by h = b-t pixels. All sums are of whole numbers,
so they are exact: lengths are doubled and second moments taken twelve-fold to stay free of fractions.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ...machine.kernels import helper, kernel
from .labels import Labels
from .runs import Columns, Counts

Boxes = npt.NDArray[np.int32]
Sums = npt.NDArray[np.int64]


@kernel
def first_moments(
    starts: Columns, ends: Columns, first: Counts, tops: Counts, labels: Labels, boxes: Boxes, sums: Sums
) -> None:
    """Sum area, bounding box and coordinates.

    Parameters
    ----------
    starts, ends, first, tops, labels : ndarray
        As `runs` and `union` give them.
    boxes : ndarray of int32, shape (count, 5)
        Filled with area, min_row, min_column, max_row, max_column; the box is half open.
    sums : ndarray of int64, shape (count, 2)
        Filled with twice the sum of the pixels' rows, and of their columns.
    """
    begun = 0
    for band in range(first.size - 1):
        top, bottom = tops[band], tops[band + 1]
        run, stop = first[band], first[band + 1]
        while run < stop:
            label, left, right = labels[run], np.int64(starts[run]), np.int64(ends[run]) + 1
            pixels = right - left
            columns = pixels * (left + right - 1)
            run += 1
            # The next runs in a row are mostly the same component's: one visit to its sums for all of them.
            while run < stop and labels[run] == label:
                start, right = np.int64(starts[run]), np.int64(ends[run]) + 1
                pixels += right - start
                columns += (right - start) * (start + right - 1)
                run += 1
            if label == begun:
                begun += 1
                boxes[label, 0] = sums[label, 0] = sums[label, 1] = boxes[label, 4] = 0
                boxes[label, 1], boxes[label, 2] = top, left
            boxes[label, 0] += pixels * (bottom - top)
            boxes[label, 2] = min(boxes[label, 2], left)
            boxes[label, 3] = bottom
            boxes[label, 4] = max(boxes[label, 4], right)
            sums[label, 0] += pixels * (bottom - top) * (top + bottom - 1)
            sums[label, 1] += columns * (bottom - top)


@kernel
def centroids(boxes: Boxes, sums: Sums, places: npt.NDArray[np.float64]) -> None:
    """Fill in each component's centroid, row and column; places has the shape (count, 2)."""
    for label in range(boxes.shape[0]):
        places[label, 0] = sums[label, 0] / (2.0 * boxes[label, 0])
        places[label, 1] = sums[label, 1] / (2.0 * boxes[label, 0])


@kernel
def second_moments(
    starts: Columns,
    ends: Columns,
    first: Counts,
    tops: Counts,
    labels: Labels,
    boxes: Boxes,
    sums: Sums,
    moments: Sums,
) -> None:
    """Sum squares and products of the distances from each component's middle.

    The middle is the pixel nearest to the centroid. From there distances are short, so that int64 holds the
    sums of any image up to `passes.MAX_SIDE`.

    Parameters
    ----------
    starts, ends, first, tops, labels : ndarray
        As `runs` and `union` give them.
    boxes, sums : ndarray
        As `first_moments` fills them.
    moments : ndarray of int64, shape (count, 5)
        Filled with twelve times the sums of row*row, column*column and row*column, and the middle's row and
        column.
    """
    for label in range(boxes.shape[0]):
        moments[label, 0] = moments[label, 1] = moments[label, 2] = 0
        moments[label, 3] = middle(sums[label, 0], boxes[label, 0])
        moments[label, 4] = middle(sums[label, 1], boxes[label, 0])
    for band in range(first.size - 1):
        height = tops[band + 1] - tops[band]
        run, stop = first[band], first[band + 1]
        while run < stop:
            label = labels[run]
            down = tops[band] + tops[band + 1] - 1 - 2 * moments[label, 3]
            pixels = across = square = np.int64(0)
            while True:
                length = np.int64(ends[run]) - starts[run] + 1
                offset = np.int64(starts[run]) + ends[run] - 2 * moments[label, 4]
                pixels += length
                across += length * offset
                square += length * (3 * offset * offset + length * length - 1)
                run += 1
                if run == stop or labels[run] != label:
                    break
            moments[label, 0] += height * pixels * (3 * down * down + height * height - 1)
            moments[label, 1] += height * square
            moments[label, 2] += height * 3 * down * across


@helper
def middle(doubled: int, area: int) -> int:
    """Give a whole number next to doubled / (2 * area); the nearest, or where a float errs, as good a one."""
    return int(doubled / (2.0 * area) + 0.5)
