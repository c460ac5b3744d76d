"""From sums to the fields of a component, by scikit-image's definitions (skimage.measure.regionprops)."""

from __future__ import annotations

import math

from ...machine.kernels import helper, kernel
from .fields import ComponentArray
from .intensity import Intensities
from .moments import Sums
from .perimeter import Borders

ROOT_2 = math.sqrt(2)
QUARTER_TURN = math.pi / 4


@kernel
def fill_fields(
    sums: Sums,
    borders: Borders,
    intensities: Intensities,
    height: int,
    width: int,
    components: ComponentArray,
) -> None:
    """Fill in every field of the components.

    Parameters
    ----------
    sums, borders
        As `moments` and `perimeter` fill them.
    intensities
        As `intensity.sum_probability` fills it; empty where there is no probability map.
    height, width : int
        Size of the mask in pixels.
    components : ndarray of COMPONENT_DTYPE, shape (count,)
        Filled.
    """
    for label in range(sums.size):
        total, border, component = sums[label], borders[label], components[label]
        area = total["area"]
        top, left, bottom, right = total["top"], total["left"], total["bottom"], total["right"]
        component["label"] = label + 1
        component["area"] = area
        component["bbox_0"], component["bbox_1"] = top, left
        component["bbox_2"], component["bbox_3"] = bottom, right
        component["centroid_0"] = total["row"] / (2.0 * area)
        component["centroid_1"] = total["column"] / (2.0 * area)
        component["perimeter"] = (
            border["straight"] + border["diagonal"] * ROOT_2 + border["bent"] * (1 + ROOT_2) / 2
        )
        row_variance, column_variance, covariance = second_central_moments(sums, label)
        eccentricity, major, minor = ellipse(row_variance, column_variance, covariance)
        component["eccentricity"] = eccentricity
        component["orientation"] = orientation(row_variance, column_variance, covariance)
        component["axis_major_length"], component["axis_minor_length"] = major, minor
        component["extent"] = area / (float(bottom - top) * float(right - left))
        component["mean_probability"] = intensities[label]["total"] / area if intensities.size else math.nan
        component["max_probability"] = intensities[label]["highest"] if intensities.size else math.nan
        component["touches_border"] = top == 0 or left == 0 or bottom == height or right == width


@helper
def second_central_moments(sums: Sums, label: int) -> tuple[float, float, float]:
    """Compute the variance of a component's rows, of its columns, and their covariance.

    The shift from the center pixel to the centroid costs at most one bit. Except in the largest shapes, a
    variance of zero comes out as zero and equal variances come out as equal, so rounding turns no axis.
    """
    total = sums[label]
    area = total["area"]
    down = total["row"] - 2 * area * total["center_row"]
    across = total["column"] - 2 * area * total["center_column"]
    scale = 12.0 * area * area
    row_variance = (float(area) * total["row_row"] - 3.0 * (down * down)) / scale
    column_variance = (float(area) * total["column_column"] - 3.0 * (across * across)) / scale
    covariance = (float(area) * total["row_column"] - 3.0 * (down * across)) / scale
    return row_variance, column_variance, covariance


@helper
def ellipse(row_variance: float, column_variance: float, covariance: float) -> tuple[float, float, float]:
    """Compute eccentricity, major and minor axis of the ellipse with these moments.

    The eigenvalues are half their sum plus and minus half their difference; where that subtraction would
    cancel, the smaller one is computed from the determinant.
    """
    half_sum = (row_variance + column_variance) / 2
    if half_sum == 0:
        return 0.0, 0.0, 0.0
    half_difference = math.sqrt(((column_variance - row_variance) / 2) ** 2 + covariance**2)
    larger = half_sum + half_difference
    smaller = half_sum - half_difference
    if 2 * half_difference > half_sum:
        smaller = max(0.0, row_variance * column_variance - covariance**2) / larger
    return math.sqrt(2 * half_difference / larger), 4 * math.sqrt(larger), 4 * math.sqrt(smaller)


@helper
def orientation(row_variance: float, column_variance: float, covariance: float) -> float:
    """Compute the angle from the rows' axis to the major axis, -pi/2 to pi/2, counter-clockwise."""
    if row_variance == column_variance:
        return QUARTER_TURN if covariance > 0 else -QUARTER_TURN
    return 0.5 * math.atan2(2 * covariance, row_variance - column_variance)
