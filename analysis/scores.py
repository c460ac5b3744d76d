"""R² and errors of held-out predictions, with intervals by drawing patients anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..machine.extras import require
from ..metrics.bootstrap import RESAMPLES, patient_bootstrap
from .crossval import Problem, Split, held_out_predictions
from .records import Score, ShuffleCheck
from .regressors import LABELS, Floats
from .results import Results

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
    centered = target - target.mean()
    columns = (np.ones_like(centered), centered, centered**2, (target - predicted) ** 2)
    return patient_bootstrap(columns, patients, _r_squared_of_sums, seed=seed, resamples=resamples)


def _r_squared_of_sums(sums: Floats) -> float:
    rows, total, squares, error = sums
    spread = squares - total**2 / rows
    return float(1 - error / spread) if spread > 0 else float("nan")


def shuffle_between_patients(
    target: Floats, patients: npt.NDArray[np.str_], rng: np.random.Generator
) -> Floats:
    """Hand each patient's targets to another, in one block.

    Images of one patient stay alike, so that a patient on both sides of a fold would show.
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


def fold_metrics(results: Results) -> pd.DataFrame:
    """Score each held-out fold: `fold`, `r2`, `rmse` as the demo did, then the rest."""
    pandas = require("pandas", extra="analysis")
    problem = results.problem
    rows: list[dict[str, Any]] = []
    for model, predicted in results.predictions.items():
        for fold, (_, test) in enumerate(results.splits, start=1):
            goal, guess = problem.target[test], predicted[test]
            rows.append(
                {
                    "fold": fold,
                    "r2": r_squared(goal, guess),
                    "rmse": rmse(goal, guess),
                    "mae": mae(goal, guess),
                    "model": model,
                    "images": len(test),
                    "patients": len(np.unique(problem.patients[test])),
                }
            )
    table: pd.DataFrame = pandas.DataFrame(rows)
    return table


def view_metrics(results: Results) -> pd.DataFrame | None:
    """Score the held-out images of each view apart, or give None where there is but one view."""
    pandas = require("pandas", extra="analysis")
    views = results.views
    if views is None:
        return None
    rows: list[dict[str, Any]] = []
    for view in np.unique(views):
        at = views == view
        goal = results.problem.target[at]
        for model, predicted in results.predictions.items():
            guess = predicted[at]
            errors = {"r2": r_squared(goal, guess), "rmse": rmse(goal, guess), "mae": mae(goal, guess)}
            rows.append({"view": view, "images": len(goal), "model": LABELS[model], **errors})
    table: pd.DataFrame = pandas.DataFrame(rows)
    return table
