"""Search for good parameters inside a training fold; the outer test fold is never seen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..machine.extras import require
from .records import Family
from .regressors import Floats, build, final_params, first_params, preprocessor, suggest

if TYPE_CHECKING:
    import pandas as pd

INNER_FOLDS = 3
_STARTUP_TRIALS = 5


@dataclass(frozen=True)
class Tuned:
    """The best parameters of a search, and their mean squared error on the inner folds (target's unit²)."""

    params: dict[str, float]
    mse: float


@dataclass(frozen=True)
class _Fold:
    train: Floats
    train_target: Floats
    test: Floats
    test_target: Floats


def tune(
    family: Family,
    features: pd.DataFrame,
    target: Floats,
    patients: npt.NDArray[np.str_],
    *,
    trials: int,
    seed: int,
) -> Tuned:
    """Search a family's parameters on inner folds that keep patients together.

    Parameters
    ----------
    family : Family
    features : DataFrame of n rows
    target : ndarray of float64, shape (n,)
    patients : ndarray of str, shape (n,)
    trials : int
        Trials of Optuna's TPE sampler; the first takes the family's usual values.
    seed : int
        Of the folds, the sampler and the models.
    """
    scale = float(target.std()) or 1.0
    folds = list(_inner_folds(features, (target - target.mean()) / scale, patients, seed))

    def objective(trial: Any) -> float:
        params = suggest(family, trial)
        errors: list[float] = []
        for step, fold in enumerate(folds):
            model = build(family, params, seed=seed, rows=len(fold.train))
            model.fit(fold.train, fold.train_target)
            errors.append(float(np.mean((model.predict(fold.test) - fold.test_target) ** 2)))
            trial.report(float(np.mean(errors)), step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return float(np.mean(errors))

    optuna = require("optuna", extra="analysis")
    with _quiet(optuna):
        study = optuna.create_study(
            sampler=optuna.samplers.TPESampler(seed=seed),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=_STARTUP_TRIALS),
        )
        study.enqueue_trial(first_params(family))
        study.optimize(objective, n_trials=trials)
    return Tuned(final_params(family, study.best_params), study.best_value * scale**2)


def _inner_folds(
    features: pd.DataFrame, target: Floats, patients: npt.NDArray[np.str_], seed: int
) -> Iterator[_Fold]:
    # The encoding does not depend on a trial's parameters: it is fitted once a fold.
    selection = require("sklearn.model_selection", extra="analysis")
    splitter = selection.GroupKFold(INNER_FOLDS, shuffle=True, random_state=seed)
    for train, test in splitter.split(features, target, patients):
        encoder = preprocessor(features)
        encoded = np.asarray(encoder.fit_transform(features.iloc[train]), dtype=np.float64)
        yield _Fold(encoded, target[train], np.asarray(encoder.transform(features.iloc[test])), target[test])


@contextmanager
def _quiet(optuna: Any) -> Iterator[None]:
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
