"""Search for hyperparameters inside a training fold; the outer test fold is never used."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ...machine.extras import require
from ...machine.quiet import quiet_libraries
from ..records import Family, Floats
from .families import build_encoder, build_regressor, final_params, first_params, suggest_params

if TYPE_CHECKING:
    import pandas as pd

INNER_FOLDS = 3
_STARTUP_TRIALS = 5


@dataclass(frozen=True)
class BestParams:
    """The best parameters of a search, and their mean squared error on the inner folds (target's unit²)."""

    params: dict[str, float]
    mse: float


@dataclass(frozen=True)
class _InnerFold:
    train: Floats
    train_target: Floats
    test: Floats
    test_target: Floats


def search_params(
    family: Family,
    features: pd.DataFrame,
    target: Floats,
    patients: npt.NDArray[np.str_],
    *,
    trials: int,
    seed: int,
) -> BestParams:
    """Search a family's hyperparameters on inner folds that keep patients together.

    Parameters
    ----------
    family : Family
    features : DataFrame of n rows
    target : ndarray of float64, shape (n,)
    patients : ndarray of str, shape (n,)
    trials : int
        Trials of Optuna's TPE sampler; the first uses the family's usual values.
    seed : int
        Seed of the folds, the sampler and the models.
    """
    scale = float(target.std()) or 1.0
    folds = list(_inner_folds(features, (target - target.mean()) / scale, patients, seed))

    def objective(trial: Any) -> float:
        params = suggest_params(family, trial)
        errors: list[float] = []
        for step, fold in enumerate(folds):
            model = build_regressor(family, params, seed=seed, rows=len(fold.train))
            model.fit(fold.train, fold.train_target)
            errors.append(float(np.mean((model.predict(fold.test) - fold.test_target) ** 2)))
            trial.report(float(np.mean(errors)), step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return float(np.mean(errors))

    optuna = require("optuna", extra="analysis")
    with quiet_libraries(loggers=("optuna",)):  # it would log the traceback of Ctrl-C as a warning
        study = optuna.create_study(
            sampler=optuna.samplers.TPESampler(seed=seed),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=_STARTUP_TRIALS),
        )
        study.enqueue_trial(first_params(family))
        study.optimize(objective, n_trials=trials)
    return BestParams(final_params(family, study.best_params), study.best_value * scale**2)


def _inner_folds(
    features: pd.DataFrame, target: Floats, patients: npt.NDArray[np.str_], seed: int
) -> Iterator[_InnerFold]:
    # The encoding does not depend on a trial's parameters: it is fitted once per fold.
    selection = require("sklearn.model_selection", extra="analysis")
    splitter = selection.GroupKFold(INNER_FOLDS, shuffle=True, random_state=seed)
    for train, test in splitter.split(features, target, patients):
        encoder = build_encoder(features)
        encoded = np.asarray(encoder.fit_transform(features.iloc[train]), dtype=np.float64)
        encoded_test = np.asarray(encoder.transform(features.iloc[test]))
        yield _InnerFold(encoded, target[train], encoded_test, target[test])
