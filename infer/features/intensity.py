"""Sum and maximum of the probability over each component."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from ...machine.kernels import helper, kernel
from .labels import Labels
from .runs import Bands, Runs

ProbabilityMap = npt.NDArray[np.float32]

Intensities = npt.NDArray[Any]
"""Records of `INTENSITY_DTYPE`, shape (components,)."""

INTENSITY_DTYPE = np.dtype([("total", np.float64), ("highest", np.float64)], align=True)


@kernel
def sum_probability(
    probability: ProbabilityMap, bands: Bands, runs: Runs, labels: Labels, intensities: Intensities
) -> None:
    """Sum the probability over each component, in float64, and find its maximum; NaN where it holds a NaN.

    Parameters
    ----------
    probability : ndarray of float32, shape (height, width)
    bands, runs, labels
        As returned by `runs` and `labels`.
    intensities : Intensities
        Filled.
    """
    for label in range(intensities.size):
        intensities[label]["total"] = 0.0
        intensities[label]["highest"] = -np.inf
    for band in range(bands.size - 1):
        for row in range(bands[band]["top"], bands[band + 1]["top"]):
            for run in range(bands[band]["first_run"], bands[band + 1]["first_run"]):
                total, highest = sum_and_max(probability, row, runs[run]["start"], runs[run]["end"] + 1)
                component = intensities[labels[run]]
                component["total"] += total
                component["highest"] = max(component["highest"], highest)
    for label in range(intensities.size):
        if math.isnan(intensities[label]["total"]):
            intensities[label]["highest"] = math.nan


@helper
def sum_and_max(values: ProbabilityMap, row: int, begin: int, end: int) -> tuple[float, float]:
    """Sum a run's values and find the highest.

    Eight at a time, in pairs of pairs: no addition waits for the previous one, and the order, and so the last
    bit of the sum, is the same on every processor.
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
