"""R² and errors of held-out predictions, with intervals by drawing patients anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .crossval import Problem, Split, held_out_predictions
from .models import Floats
from .records import Score, ShuffleCheck

RESAMPLES = 1000
SHUFFLES = 3


def r_squared(target: Floats, predicted: Floats) -> float:
    """Give 1 - SSE / SST; NaN where the target does not vary."""
    total = float(((target - target.mean()) ** 2).sum())
    return 1 - float(((target - predicted) ** 2).sum()) / total if total > 0 else float("nan")


def rmse(target: Floats, predicted: Floats) -> float:
    """Give the root of the mean squared error, in the target's unit."""
    return float(np.sqrt(np.mean((target - predicted) ** 2)))


def mae(target: Floats, predicted: Floats) -> float:
    """Give the mean absolute error, in the target's unit."""
    return float(np.mean(np.abs(target - predicted)))


def score(
    model: str, label: str, target: Floats, predicted: Floats, patients: npt.NDArray[np.str_], *, seed: int
) -> Score:
    """Score pooled held-out predictions; the interval is over patients, with the models held fixed."""
    low, high = r2_interval(target, predicted, patients, seed=seed)
    return Score(
        model,
        label,
        r_squared(target, predicted),
        low,
        high,
        rmse(target, predicted),
        mae(target, predicted),
    )


def r2_interval(
    target: Floats,
    predicted: Floats,
    patients: npt.NDArray[np.str_],
    *,
    seed: int,
    resamples: int = RESAMPLES,
) -> tuple[float, float]:
    """Give the 95 % interval of R² by a bootstrap over patients.

    A resample needs only each patient's count, sum, sum of squares and squared error.

    Parameters
    ----------
    target, predicted : ndarray of float64, shape (n,)
    patients : ndarray of str, shape (n,)
    seed : int
    resamples : int

    Returns
    -------
    tuple of float
        Low and high end; NaN where no resample has a target that varies.
    """
    _, index = np.unique(patients, return_inverse=True)
    centred = target - target.mean()
    parts = (np.ones_like(centred), centred, centred**2, (target - predicted) ** 2)
    sums = np.stack([np.bincount(index, weights=part) for part in parts])
    count = sums.shape[1]
    rng = np.random.default_rng(seed)
    draws = np.empty(resamples)
    for turn in range(resamples):
        times = np.bincount(rng.integers(count, size=count), minlength=count)
        rows, total, squares, error = sums @ times
        spread = squares - total**2 / rows
        draws[turn] = 1 - error / spread if spread > 0 else np.nan
    known = draws[~np.isnan(draws)]
    if len(known) == 0:
        return float("nan"), float("nan")
    low, high = np.percentile(known, [2.5, 97.5])
    return float(low), float(high)


def shuffle_between_patients(
    target: Floats, patients: npt.NDArray[np.str_], rng: np.random.Generator
) -> Floats:
    """Hand each patient's targets to another, in one block.

    Films of one patient stay alike, so that a patient on both sides of a fold would show.
    """
    names, index = np.unique(patients, return_inverse=True)
    in_order = np.argsort(index, kind="stable")
    taken = np.argsort(rng.permutation(len(names))[index], kind="stable")
    shuffled = np.empty_like(target)
    shuffled[in_order] = target[taken]
    return shuffled


def check_shuffled(
    model: str, make: Callable[[], Any], problem: Problem, splits: Sequence[Split], *, seed: int
) -> ShuffleCheck:
    """Fit a model on shuffled targets: what it then "predicts" is leak or chance."""
    rng = np.random.default_rng((seed, 1))
    found: list[float] = []
    for _ in range(SHUFFLES):
        target = shuffle_between_patients(problem.target, problem.patients, rng)
        found.append(r_squared(target, held_out_predictions(make, problem, splits, target)))
    return ShuffleCheck(model, tuple(found))
