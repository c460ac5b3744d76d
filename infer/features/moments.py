"""Sums over each component's pixels, in closed form per run: no pixel is visited.

A run s..e over the rows t..b-1 is a rectangle of n = e-s+1 by h = b-t pixels. All sums are of whole numbers, so
they are exact: lengths are doubled and second moments taken twelve-fold to stay free of fractions.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .jit import helper, kernel
from .runs import Columns, Counts
from .union import Labels

Boxes = npt.NDArray[np.int32]
Sums = npt.NDArray[np.int64]
Covariances = npt.NDArray[np.float64]


@kernel
def first_moments(
    starts: Columns, ends: Columns, first: Counts, tops: Counts, labels: Labels, count: int
) -> tuple[Boxes, Sums]:
    """Sum area, bounding box and coordinates.

    Returns
    -------
    boxes : ndarray of int32, shape (count, 5)
        area, min_row, min_column, max_row, max_column; the box is half open.
    sums : ndarray of int64, shape (count, 2)
        Twice the sum of the pixels' rows, and of their columns.
    """
    boxes = np.empty((count, 5), np.int32)
    sums = np.empty((count, 2), np.int64)
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
    return boxes, sums


@kernel
def second_moments(
    starts: Columns, ends: Columns, first: Counts, tops: Counts, labels: Labels, boxes: Boxes, sums: Sums
) -> Covariances:
    """Give the covariance of each component's pixels.

    Distances are summed from the pixel nearest to the centroid and then moved to the centroid itself. They are
    short, so int64 holds the sums of any picture up to `measure.MAX_SIDE`; the move costs at most one bit; and
    what is zero, or equal down and across, comes out so: an axis is not turned by noise.

    Returns
    -------
    ndarray of float64, shape (count, 3)
        Variance of the rows, of the columns, and their covariance, in square pixels.
    """
    count = boxes.shape[0]
    middles = np.empty((count, 2), np.int32)
    for label in range(count):
        for axis in range(2):
            middles[label, axis] = (sums[label, axis] + boxes[label, 0]) // (2 * boxes[label, 0])
    moments = np.zeros((count, 3), np.int64)
    for band in range(first.size - 1):
        height = tops[band + 1] - tops[band]
        run, stop = first[band], first[band + 1]
        while run < stop:
            label = labels[run]
            down = tops[band] + tops[band + 1] - 1 - 2 * middles[label, 0]
            pixels = across = square = np.int64(0)
            while True:
                length = np.int64(ends[run]) - starts[run] + 1
                offset = np.int64(starts[run]) + ends[run] - 2 * middles[label, 1]
                pixels += length
                across += length * offset
                square += length * (3 * offset * offset + length * length - 1)
                run += 1
                if run == stop or labels[run] != label:
                    break
            moments[label, 0] += height * pixels * (3 * down * down + height * height - 1)
            moments[label, 1] += height * square
            moments[label, 2] += height * 3 * down * across
    covariances = np.empty((count, 3), np.float64)
    for label in range(count):
        area = np.int64(boxes[label, 0])
        down = sums[label, 0] - 2 * area * middles[label, 0]
        across = sums[label, 1] - 2 * area * middles[label, 1]
        covariances[label, 0] = centred(moments[label, 0], down, down, area)
        covariances[label, 1] = centred(moments[label, 1], across, across, area)
        covariances[label, 2] = centred(moments[label, 2], down, across, area)
    return covariances


@helper
def centred(moment: int, p: int, q: int, area: int) -> float:
    """Move a twelve-fold second moment to the centroid, which lies p / 2 and q / 2 off in sum; divide by the area."""
    return (float(moment) * area - 3.0 * (p * q)) / (12.0 * area * area)
