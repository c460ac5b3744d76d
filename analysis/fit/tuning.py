"""Search for hyperparameters inside a training fold; the outer test fold is never used."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ...machine.extras import require
from ...machine.quiet import quiet_libraries
from ..records import Family, Floats, Task
from .families import (
    Params,
    build_encoder,
    build_model,
    final_params,
    first_params,
    predicted,
    suggest_params,
)
from .folds import grouped_folds

if TYPE_CHECKING:
    import pandas as pd

INNER_FOLDS = 3
_STARTUP_TRIALS = 5


@dataclass(frozen=True)
class BestParams:
    """The best parameters of a search, and their mean squared error on the inner folds (target's unit²).

    For events the error is the Brier score, and `threshold` the probability from which an event is predicted:
    the one with the highest sum of sensitivity and specificity on the inner folds' held-out rows.
    """

    params: dict[str, float]
    mse: float
    threshold: float | None = None


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
    task: Task = Task.REGRESSION,
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
    task : Task
        Events are searched by the Brier score, on folds with about the same share of events.
    """
    is_event = task is Task.CLASSIFICATION
    mean, scale = (0.0, 1.0) if is_event else (float(target.mean()), float(target.std()) or 1.0)
    folds = list(_inner_folds(features, (target - mean) / scale, patients, seed, stratified=is_event))

    def objective(trial: Any) -> float:
        params = suggest_params(family, trial, task)
        errors: list[float] = []
        for step, fold in enumerate(folds):
            errors.append(
                float(np.mean((_predict(family, params, fold, seed, task) - fold.test_target) ** 2))
            )
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
        study.enqueue_trial(first_params(family, task))
        study.optimize(objective, n_trials=trials)
    params = final_params(family, study.best_params)
    threshold = None
    if is_event:
        held_out = [_predict(family, params, fold, seed, task) for fold in folds]
        events = np.concatenate([fold.test_target for fold in folds])
        threshold = best_threshold(events, np.concatenate(held_out))
    return BestParams(params, study.best_value * scale**2, threshold)


def best_threshold(events: Floats, probabilities: Floats) -> float:
    """Return the probability from which to predict an event: the highest sum of sensitivity and specificity.

    Source: Youden, Index for rating diagnostic tests, Cancer 3 (1950), 32-35.
    """
    metrics = require("sklearn.metrics", extra="analysis")
    false_alarms, found, thresholds = metrics.roc_curve(events, probabilities)
    return float(thresholds[1:][np.argmax((found - false_alarms)[1:])])


def _predict(family: Family, params: Params, fold: _InnerFold, seed: int, task: Task) -> Floats:
    model = build_model(family, params, seed=seed, rows=len(fold.train), task=task)
    return predicted(model.fit(fold.train, fold.train_target), fold.test)


def _inner_folds(
    features: pd.DataFrame,
    target: Floats,
    patients: npt.NDArray[np.str_],
    seed: int,
    *,
    stratified: bool,
) -> Iterator[_InnerFold]:
    # The encoding does not depend on a trial's parameters: it is fitted once per fold.
    for train, test in grouped_folds(patients, INNER_FOLDS, seed, target if stratified else None):
        encoder = build_encoder(features)
        encoded = np.asarray(encoder.fit_transform(features.iloc[train]), dtype=np.float64)
        encoded_test = np.asarray(encoder.transform(features.iloc[test]))
        yield _InnerFold(encoded, target[train], encoded_test, target[test])
