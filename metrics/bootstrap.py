"""Confidence intervals by a bootstrap over patients: all images of a patient are drawn together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from .records import Interval

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

    Each resample draws patients with replacement, with all of their rows. Since the statistic depends only on
    sums, the sums are computed once per patient, and a resample costs one small matrix product.

    Parameters
    ----------
    columns : sequence of ndarray of float64, each of shape (rows,)
        The values to sum.
    patients : sequence of str, length rows
    statistic : callable
        Takes the resample's sums, shape (columns,), and returns a float; NaN if it is undefined.
    seed : int
    resamples : int

    Returns
    -------
    tuple of float
        Lower and upper bound; NaN if the statistic is undefined in every resample.
    """
    names, patient_index = np.unique(np.asarray(patients), return_inverse=True)
    sums = np.stack([np.bincount(patient_index, weights=column) for column in columns])
    draws = [
        statistic(np.asarray(sums @ multiplicity))
        for multiplicity in patient_resamples(len(names), seed=seed, resamples=resamples)
    ]
    return percentile_interval(np.array(draws))


def patient_resamples(
    patients: int, *, seed: int, resamples: int = RESAMPLES
) -> Iterator[npt.NDArray[np.intp]]:
    """Draw as many patients as there are, with replacement, again and again.

    Yields
    ------
    ndarray of int, shape (patients,)
        How often each patient is drawn.
    """
    rng = np.random.default_rng(seed)
    for _ in range(resamples):
        yield np.bincount(rng.integers(patients, size=patients), minlength=patients)


def percentile_interval(draws: Floats) -> tuple[float, float]:
    """Return the 95 % percentile interval of the draws that are not NaN; NaN if all are."""
    defined = draws[~np.isnan(draws)]
    if len(defined) == 0:
        return float("nan"), float("nan")
    low, high = np.percentile(defined, _PERCENTILES)
    return float(low), float(high)


def mean_interval(
    values: Floats, patients: Sequence[str], *, seed: int, resamples: int = RESAMPLES
) -> Interval:
    """Compute the mean of a value per image, with its confidence interval over patients."""
    low, high = patient_bootstrap(
        (values, np.ones_like(values)),
        patients,
        lambda sums: float(sums[0] / sums[1]),
        seed=seed,
        resamples=resamples,
    )
    return Interval(float(values.mean()), low, high)
