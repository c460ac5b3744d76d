"""Area, bounding box and moments of each component, in closed form per run: no pixel is visited.

A run s..e over the rows t..b-1 is a rectangle of n = e-s+1 by h = b-t pixels. All sums are exact integers:
coordinates are doubled and second moments multiplied by twelve to avoid fractions.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ...machine.kernels import helper, kernel
from .labels import Labels
from .runs import Bands, Runs

Sums = npt.NDArray[Any]
"""Records of `SUMS_DTYPE`, shape (components,)."""

SUMS_DTYPE = np.dtype(
    [
        ("area", np.int64),
        # The bounding box in pixels, half open.
        ("top", np.int64),
        ("left", np.int64),
        ("bottom", np.int64),
        ("right", np.int64),
        # Twice the sum of the pixels' coordinates.
        ("row", np.int64),
        ("column", np.int64),
        # The pixel nearest to the centroid.
        ("center_row", np.int64),
        ("center_column", np.int64),
        # Twelve times the sums of squares and products of the distances from it.
        ("row_row", np.int64),
        ("column_column", np.int64),
        ("row_column", np.int64),
    ],
    align=True,
)


@kernel
def sum_first_moments(bands: Bands, runs: Runs, labels: Labels, sums: Sums) -> None:
    """Fill in area, bounding box and coordinate sums.

    Parameters
    ----------
    bands, runs, labels
        As returned by `runs` and `labels`.
    sums : Sums
        Fields `area` to `column` are filled.
    """
    begun = 0
    for band in range(bands.size - 1):
        top, bottom = bands[band]["top"], bands[band + 1]["top"]
        run, stop = bands[band]["first_run"], bands[band + 1]["first_run"]
        while run < stop:
            label, left, right = labels[run], np.int64(runs[run]["start"]), np.int64(runs[run]["end"]) + 1
            pixels = right - left
            columns = pixels * (left + right - 1)
            run += 1
            # Most neighbors in a row belong to the same component: its sums are updated once for all of them.
            while run < stop and labels[run] == label:
                start, right = np.int64(runs[run]["start"]), np.int64(runs[run]["end"]) + 1
                pixels += right - start
                columns += (right - start) * (start + right - 1)
                run += 1
            total = sums[label]
            if label == begun:
                begun += 1
                total["area"] = total["row"] = total["column"] = total["right"] = 0
                total["top"], total["left"] = top, left
            total["area"] += pixels * (bottom - top)
            total["left"] = min(total["left"], left)
            total["bottom"] = bottom
            total["right"] = max(total["right"], right)
            total["row"] += pixels * (bottom - top) * (top + bottom - 1)
            total["column"] += columns * (bottom - top)


@kernel
def sum_second_moments(bands: Bands, runs: Runs, labels: Labels, sums: Sums) -> None:
    """Sum squares and products of the distances from each component's center pixel.

    The center is the pixel nearest to the centroid. Distances from it are short enough for int64 to hold the
    sums of any mask up to `measurement.MAX_SIDE`.

    Parameters
    ----------
    bands, runs, labels
        As returned by `runs` and `labels`.
    sums : Sums
        As `sum_first_moments` fills it; the remaining fields are filled.
    """
    for label in range(sums.size):
        total = sums[label]
        total["row_row"] = total["column_column"] = total["row_column"] = 0
        total["center_row"] = round_mean(total["row"], total["area"])
        total["center_column"] = round_mean(total["column"], total["area"])
    for band in range(bands.size - 1):
        top, bottom = bands[band]["top"], bands[band + 1]["top"]
        height = bottom - top
        run, stop = bands[band]["first_run"], bands[band + 1]["first_run"]
        while run < stop:
            label = labels[run]
            total = sums[label]
            down = top + bottom - 1 - 2 * total["center_row"]
            center = 2 * total["center_column"]
            pixels = across = square = np.int64(0)
            while True:
                start, end = np.int64(runs[run]["start"]), np.int64(runs[run]["end"])
                length = end - start + 1
                offset = start + end - center
                pixels += length
                across += length * offset
                square += length * (3 * offset * offset + length * length - 1)
                run += 1
                if run == stop or labels[run] != label:
                    break
            total["row_row"] += height * pixels * (3 * down * down + height * height - 1)
            total["column_column"] += height * square
            total["row_column"] += height * 3 * down * across


@helper
def round_mean(doubled: int, area: int) -> int:
    """Round doubled / (2 * area); where float rounding errs, a whole number that serves as well."""
    return int(doubled / (2.0 * area) + 0.5)
