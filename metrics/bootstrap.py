"""Confidence intervals by a bootstrap over patients: images of one patient are drawn together."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from .figures import Interval

RESAMPLES = 1000
_PERCENTILES = (2.5, 97.5)

Floats = npt.NDArray[np.float64]


def patient_bootstrap(
    columns: Sequence[Floats],
    patients: Sequence[str] | npt.NDArray[np.str_],
    statistic: Callable[[Floats], float],
    *,
    seed: int,
    resamples: int = RESAMPLES,
) -> tuple[float, float]:
    """Compute the 95 % percentile interval of a statistic of column sums.

    Each resample draws patients with replacement, each with all of its rows. A statistic of sums needs only
    each patient's sums, so a resample costs one small matrix product.

    Parameters
    ----------
    columns : sequence of ndarray of float64, each of shape (rows,)
        What is summed.
    patients : sequence of str, length rows
    statistic : callable
        Takes the resample's sums, shape (columns,), and returns a float; NaN where it is not defined.
    seed : int
    resamples : int

    Returns
    -------
    tuple of float
        Lower and upper end; NaN where the statistic is defined on no resample.
    """
    names, owner = np.unique(np.asarray(patients), return_inverse=True)
    sums = np.stack([np.bincount(owner, weights=column, minlength=len(names)) for column in columns])
    rng = np.random.default_rng(seed)
    draws = np.empty(resamples)
    for index in range(resamples):
        times = np.bincount(rng.integers(len(names), size=len(names)), minlength=len(names))
        draws[index] = statistic(np.asarray(sums @ times))
    known = draws[~np.isnan(draws)]
    if len(known) == 0:
        return float("nan"), float("nan")
    low, high = np.percentile(known, _PERCENTILES)
    return float(low), float(high)


def mean_interval(
    values: Floats, patients: Sequence[str], *, seed: int, resamples: int = RESAMPLES
) -> Interval:
    """Compute the mean of a value per image, with its interval over patients."""
    low, high = patient_bootstrap(
        (values, np.ones_like(values)),
        patients,
        lambda sums: float(sums[0] / sums[1]),
        seed=seed,
        resamples=resamples,
    )
    return Interval(float(values.mean()), low, high)
