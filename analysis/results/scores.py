"""R² and errors of held-out predictions, with intervals from a bootstrap over patients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ...machine.extras import require
from ...metrics.bootstrap import RESAMPLES, patient_bootstrap
from ..fit.crossval import LearningData, held_out_predictions
from ..fit.families import LABELS
from ..fit.folds import Ints, Split
from ..records import Floats, Score, ShuffleCheck, Task
from .event_scores import auprc, auroc, brier
from .held_out import Results

if TYPE_CHECKING:
    import pandas as pd

SHUFFLES = 3
_ROUNDING = 1e-9


def r_squared(target: Floats, predicted: Floats) -> float:
    """Compute scikit-learn's R²; NaN, not its 0 or 1, where the target does not vary."""
    if np.ptp(target) == 0:
        return float("nan")
    return float(require("sklearn.metrics", extra="analysis").r2_score(target, predicted))


def prediction_errors(target: Floats, predicted: Floats) -> dict[str, float]:
    """Compute `r2`, and `rmse` and `mae` in the target's unit."""
    metrics = require("sklearn.metrics", extra="analysis")
    return {
        "r2": r_squared(target, predicted),
        "rmse": float(metrics.root_mean_squared_error(target, predicted)),
        "mae": float(metrics.mean_absolute_error(target, predicted)),
    }


def score_predictions(
    model: str, label: str, target: Floats, predicted: Floats, patients: npt.NDArray[np.str_], *, seed: int
) -> Score:
    """Score the held-out predictions of all folds; the interval is over patients, with the models fixed."""
    low, high = r2_interval(target, predicted, patients, seed=seed)
    return Score(model, label, r2_low=low, r2_high=high, **prediction_errors(target, predicted))


def r2_interval(
    target: Floats,
    predicted: Floats,
    patients: npt.NDArray[np.str_],
    *,
    seed: int,
    resamples: int = RESAMPLES,
) -> tuple[float, float]:
    """Compute the 95 % interval of R² by a bootstrap over patients.

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
        Lower and upper end; NaN where the target varies in no resample.
    """
    centered = target - target.mean()
    columns = (np.ones_like(centered), centered, centered**2, (target - predicted) ** 2)
    return patient_bootstrap(columns, patients, _r_squared_of_sums, seed=seed, resamples=resamples)


def _r_squared_of_sums(sums: Floats) -> float:
    rows, total, squares, error = sums
    spread = squares - total**2 / rows
    # Where all drawn targets are equal, rounding leaves a spread that is not exactly 0.
    return float(1 - error / spread) if spread > _ROUNDING * squares else float("nan")


def shuffle_between_patients(
    target: Floats, patients: npt.NDArray[np.str_], rng: np.random.Generator
) -> Floats:
    """Permute the targets between patients, keeping those of one patient together.

    Images of one patient stay similar, so that a patient on both sides of a fold would show.
    """
    names, index = np.unique(patients, return_inverse=True)
    by_patient = np.argsort(index, kind="stable")
    by_new_patient = np.argsort(rng.permutation(len(names))[index], kind="stable")
    shuffled = np.empty_like(target)
    shuffled[by_patient] = target[by_new_patient]
    return shuffled


def check_shuffled_targets(
    model: str,
    build_model: Callable[[], Any],
    data: LearningData,
    splits: Sequence[Split],
    *,
    seed: int,
) -> ShuffleCheck:
    """Fit a model on shuffled targets: what it then predicts is chance or a leak."""
    rng = np.random.default_rng((seed, 1))
    is_event = data.task is Task.CLASSIFICATION
    found: list[float] = []
    while len(found) < SHUFFLES:
        target = shuffle_between_patients(data.target, data.patients, rng)
        if is_event and any(np.ptp(target[train]) == 0 for train, _ in splits):
            continue
        predictions = held_out_predictions(build_model, data, splits, target)
        score = (
            auroc(target, predictions, np.ones_like(target)) if is_event else r_squared(target, predictions)
        )
        found.append(score)
    if is_event:
        return ShuffleCheck(model, tuple(found), 0.5 + _chance_auroc(data), "auroc")
    return ShuffleCheck(model, tuple(found))


def _chance_auroc(data: LearningData) -> float:
    """Return three standard errors of the mean AUROC of chance, with patients as units (Mann and Whitney)."""
    yes = len(np.unique(data.patients[data.target == 1]))
    no = len(np.unique(data.patients[data.target == 0]))
    return 3 * float(np.sqrt((yes + no + 1) / (12 * yes * no * SHUFFLES)))


def fold_metrics(results: Results) -> pd.DataFrame:
    """Score each held-out fold: `fold`, `r2`, `rmse` as in the demo's table, then the other columns."""
    pandas = require("pandas", extra="analysis")
    data = results.data
    rows: list[dict[str, Any]] = []
    for model, predicted in results.predictions.items():
        for fold, (_, test) in enumerate(results.splits, start=1):
            rows.append(
                {
                    "fold": fold,
                    **_fold_scores(data, test, predicted),
                    "model": model,
                    "images": len(test),
                    "patients": len(np.unique(data.patients[test])),
                }
            )
    table: pd.DataFrame = pandas.DataFrame(rows)
    return table


def _fold_scores(data: LearningData, test: Ints, predicted: Floats) -> dict[str, float]:
    if data.task is Task.REGRESSION:
        return prediction_errors(data.target[test], predicted[test])
    values = data.target[test], predicted[test], np.ones(len(test))
    return {"auroc": auroc(*values), "auprc": auprc(*values), "brier": brier(*values)}


def view_metrics(results: Results) -> pd.DataFrame | None:
    """Score the held-out images of each view separately; None unless there are several views."""
    pandas = require("pandas", extra="analysis")
    views = results.views
    if views is None or results.data.task is Task.CLASSIFICATION:
        return None
    rows: list[dict[str, Any]] = []
    for view in np.unique(views):
        shown = views == view
        target = results.data.target[shown]
        for model, predicted in results.predictions.items():
            errors = prediction_errors(target, predicted[shown])
            rows.append({"view": view, "images": len(target), "model": LABELS[model], **errors})
    table: pd.DataFrame = pandas.DataFrame(rows)
    return table
