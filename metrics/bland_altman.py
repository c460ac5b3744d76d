"""Agreement of a measured quantity with its true value: Bland and Altman's bias and limits of agreement.

Bland JM, Altman DG. Statistical methods for assessing agreement between two methods of clinical measurement.
Lancet 1986. https://doi.org/10.1016/S0140-6736(86)90837-8
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .bootstrap import patient_bootstrap
from .records import Interval

_LIMIT = 1.96

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class BlandAltman:
    """Differences "predicted minus true" over images; intervals by a bootstrap over patients.

    Attributes
    ----------
    images : int
    bias : Interval
        The mean difference.
    lower, upper : Interval
        The limits of agreement: bias minus and plus 1.96 standard deviations of the differences. NaN with
        fewer than two images.
    """

    images: int
    bias: Interval
    lower: Interval
    upper: Interval


def bland_altman(truth: Floats, predicted: Floats, patients: Sequence[str], *, seed: int = 0) -> BlandAltman:
    """Compare predicted with true values, paired by image.

    Parameters
    ----------
    truth, predicted : ndarray of float64, shape (images,)
        At least one image.
    patients : sequence of str, length images
    seed : int
        Seed of the bootstrap.
    """
    difference = np.asarray(predicted - truth, np.float64)
    columns = (difference, difference**2, np.ones_like(difference))
    sums = np.array([column.sum() for column in columns])

    def interval(statistic: Callable[[Floats], float]) -> Interval:
        return Interval(statistic(sums), *patient_bootstrap(columns, patients, statistic, seed=seed))

    return BlandAltman(
        images=len(difference),
        bias=interval(lambda sums: float(sums[0] / sums[2])),
        lower=interval(lambda sums: _limit(sums, -_LIMIT)),
        upper=interval(lambda sums: _limit(sums, _LIMIT)),
    )


def _limit(sums: Floats, factor: float) -> float:
    total, squares, count = sums
    if count < 2:
        return math.nan
    # Rounding can leave a tiny negative variance where all differences are equal.
    variance = max(0.0, float(squares - total**2 / count) / (count - 1))
    return float(total / count) + factor * math.sqrt(variance)
