"""From sums to the fields of a lesion, by scikit-image's definitions (skimage.measure.regionprops)."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ...machine.kernels import helper, kernel
from .intensity import Values
from .moments import Boxes, Sums
from .perimeter import Edges

ROOT_2 = math.sqrt(2)
QUARTER_TURN = math.pi / 4


@kernel
def describe(
    boxes: Boxes,
    sums: Sums,
    moments: Sums,
    edges: Edges,
    totals: Values,
    maxima: Values,
    height: int,
    width: int,
    whole: npt.NDArray[np.int64],
    real: npt.NDArray[np.float64],
    touches: npt.NDArray[np.bool_],
) -> None:
    """Fill in the table.

    Parameters
    ----------
    boxes, sums, moments, edges : ndarray
        As `moments.first_moments`, `moments.second_moments` and `perimeter.edges` fill them.
    totals, maxima : ndarray
        As `intensity.intensities` fills them; empty where there is no probability.
    height, width : int
        The mask's size.
    whole, real : ndarray of int64 and of float64, shape (count, words in a record)
        The same memory, that of the table: the first six words of a record are whole, the others real.
    touches : ndarray of bool, shape (count,)
        The table's last field.
    """
    for label in range(boxes.shape[0]):
        area, top, left, bottom, right = boxes[label]
        whole[label, 0] = label + 1
        whole[label, 1] = area
        whole[label, 2], whole[label, 3] = top, left
        whole[label, 4], whole[label, 5] = bottom, right
        real[label, 6] = sums[label, 0] / (2.0 * area)
        real[label, 7] = sums[label, 1] / (2.0 * area)
        real[label, 8] = edges[label, 0] + edges[label, 1] * ROOT_2 + edges[label, 2] * (1 + ROOT_2) / 2
        rows, columns, mixed = covariance(area, sums[label], moments[label])
        real[label, 9], real[label, 11], real[label, 12] = ellipse(rows, columns, mixed)
        real[label, 10] = orientation(rows, columns, mixed)
        real[label, 13] = area / (float(bottom - top) * float(right - left))
        real[label, 14] = totals[label] / area if totals.size else math.nan
        real[label, 15] = maxima[label] if maxima.size else math.nan
        whole[label, 16] = 0  # The padding behind the last field: equal tables are equal in every byte.
        touches[label] = top == 0 or left == 0 or bottom == height or right == width


@helper
def covariance(area: int, sums: Sums, moments: Sums) -> tuple[float, float, float]:
    """Give the variance of a component's rows, of its columns, and their covariance.

    The move from the middle to the centroid costs at most one bit. What is zero comes out as zero, and what
    is equal down and across as equal, but in the largest shapes: no axis is turned by rounding.
    """
    down, across = sums[0] - 2 * area * moments[3], sums[1] - 2 * area * moments[4]
    scale = 12.0 * area * area
    rows = (float(area) * moments[0] - 3.0 * (down * down)) / scale
    columns = (float(area) * moments[1] - 3.0 * (across * across)) / scale
    mixed = (float(area) * moments[2] - 3.0 * (down * across)) / scale
    return rows, columns, mixed


@helper
def ellipse(rows: float, columns: float, mixed: float) -> tuple[float, float, float]:
    """Give eccentricity, major and minor axis of the ellipse with these variances and covariance.

    The eigenvalues are half their sum plus and minus half their difference; the smaller one is taken from the
    determinant where the difference would cancel it.
    """
    half_sum = (rows + columns) / 2
    if half_sum == 0:
        return 0.0, 0.0, 0.0
    half_difference = math.sqrt(((columns - rows) / 2) ** 2 + mixed**2)
    larger = half_sum + half_difference
    smaller = half_sum - half_difference
    if 2 * half_difference > half_sum:
        smaller = max(0.0, rows * columns - mixed**2) / larger
    return math.sqrt(2 * half_difference / larger), 4 * math.sqrt(larger), 4 * math.sqrt(smaller)


@helper
def orientation(rows: float, columns: float, mixed: float) -> float:
    """Give the angle between the rows' axis and the major axis, from -pi/2 to pi/2, counter-clockwise."""
    if rows == columns:
        return QUARTER_TURN if mixed > 0 else -QUARTER_TURN
    return 0.5 * math.atan2(2 * mixed, rows - columns)
