"""Mean and maximum of the probability over each component."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ...machine.kernels import helper, kernel
from .labels import Labels
from .runs import Columns, Counts

Map = npt.NDArray[np.float32]
Values = npt.NDArray[np.float64]


@kernel
def intensities(
    probability: Map,
    starts: Columns,
    ends: Columns,
    first: Counts,
    tops: Counts,
    labels: Labels,
    totals: Values,
    maxima: Values,
) -> None:
    """Sum the probability over each component, in float64, and find its maximum; NaN where it holds a NaN.

    Parameters
    ----------
    probability : ndarray of float32, shape (height, width)
    starts, ends, first, tops, labels : ndarray
        As `runs` and `union` give them.
    totals, maxima : ndarray of float64, shape (count,)
        Filled.
    """
    totals[:] = 0.0
    maxima[:] = -np.inf
    for band in range(first.size - 1):
        for row in range(tops[band], tops[band + 1]):
            for run in range(first[band], first[band + 1]):
                label = labels[run]
                total, highest = sum_and_max(probability, row, starts[run], ends[run] + 1)
                totals[label] += total
                maxima[label] = max(maxima[label], highest)
    for label in range(totals.size):
        if math.isnan(totals[label]):
            maxima[label] = math.nan


@helper
def sum_and_max(values: Map, row: int, begin: int, end: int) -> tuple[float, float]:
    """Sum a run's values and find the highest.

    Eight at a time, in pairs of pairs: no addition waits for the one before it, and the order, and with it
    the last bit, is the same on every processor.
    """
    total = 0.0
    highest = values[row, begin]
    i = begin
    while i + 8 <= end:
        a, b, c, d = values[row, i], values[row, i + 1], values[row, i + 2], values[row, i + 3]
        e, f, g, h = values[row, i + 4], values[row, i + 5], values[row, i + 6], values[row, i + 7]
        left = (np.float64(a) + np.float64(b)) + (np.float64(c) + np.float64(d))
        right = (np.float64(e) + np.float64(f)) + (np.float64(g) + np.float64(h))
        total += left + right
        highest = max(highest, max(max(a, b), max(c, d)), max(max(e, f), max(g, h)))
        i += 8
    while i < end:
        total += np.float64(values[row, i])
        highest = max(highest, values[row, i])
        i += 1
    return total, highest
