"""Nested cross-validation by patient: tune on a fold's training side, score only its held-out side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ...errors import InputError
from ...machine.extras import require
from ...machine.progress import Progress
from ..records import Family, Floats
from .explanation import shap_values
from .families import BASELINES, build_baseline, build_pipeline, build_regressor
from .tuning import INNER_FOLDS, BestParams, search_params

if TYPE_CHECKING:
    import pandas as pd

Ints = npt.NDArray[np.intp]
Split = tuple[Ints, Ints]


@dataclass(frozen=True)
class RegressionData:
    """What is learned from: the features, the target without gaps, and the patient of each row."""

    features: pd.DataFrame
    target: Floats
    patients: npt.NDArray[np.str_]


@dataclass(frozen=True)
class Search:
    """One search and fit: on the training rows of an outer fold, or (`fold` None) on all rows."""

    family: Family
    fold: int | None
    train: Ints
    test: Ints
    trials: int
    seed: int


@dataclass(frozen=True)
class SearchResult:
    """The fitted model of one search; predictions and SHAP values are those of the held-out rows, if any."""

    search: Search
    best: BestParams
    prediction: Floats
    shap_values: Floats
    shap_base: Floats
    model: Any


def outer_folds(patients: npt.NDArray[np.str_], folds: int, seed: int) -> list[Split]:
    """Split the rows so that all rows of a patient are on one side of each fold.

    Raises
    ------
    InputError
        If there are too few patients for `folds` folds of two patients each.
    """
    count = len(np.unique(patients))
    if folds < 2 or count < 2 * folds or count - -(-count // folds) < INNER_FOLDS:
        most = max((f for f in range(2, count) if count >= 2 * f and count - -(-count // f) >= 3), default=0)
        advice = f"at most {most} are possible" if most else "that is too few for any"
        raise InputError(
            f"{folds} folds need {max(2 * folds, 2 * INNER_FOLDS)} patients; there are {count}"
            f" ({len(patients)} images): {advice}"
        )
    selection = require("sklearn.model_selection", extra="analysis")
    splitter = selection.GroupKFold(folds, shuffle=True, random_state=seed)
    splits: list[Split] = list(splitter.split(patients, groups=patients))
    for train, test in splits:
        check_no_shared_patient(patients[train], patients[test])
    return splits


def check_no_shared_patient(train: npt.NDArray[np.str_], test: npt.NDArray[np.str_]) -> None:
    """Check that no patient is on both sides of a fold.

    Raises
    ------
    InputError
        Naming a patient that is.
    """
    shared = np.intersect1d(train, test)
    if len(shared):
        raise InputError(f"{len(shared)} patients are on both sides of a fold, such as {shared[0]}")


def plan_searches(
    families: Sequence[Family], splits: Sequence[Split], rows: int, *, trials: int, seed: int
) -> list[Search]:
    """List the searches: for each family, one per fold and one on all rows, each with its own seed."""
    everything, nothing = np.arange(rows), np.arange(0)
    searches: list[Search] = []
    for family in families:
        number = list(Family).index(family)
        for fold, (train, test) in enumerate(splits):
            searches.append(Search(family, fold, train, test, trials, _seed(seed, number, fold)))
        final_seed = _seed(seed, number, len(splits))
        searches.append(Search(family, None, everything, nothing, trials, final_seed))
    return searches


def run_searches(
    data: RegressionData, searches: Sequence[Search], *, jobs: int, progress: Progress
) -> list[SearchResult]:
    """Run the searches in `jobs` processes; the results do not depend on their number."""
    joblib = require("joblib", extra="analysis")
    parallel = joblib.Parallel(n_jobs=min(jobs, len(searches)), return_as="generator")
    results: Iterator[SearchResult] = parallel(joblib.delayed(run_search)(data, one) for one in searches)
    finished: list[SearchResult] = []
    for result in results:
        finished.append(result)
        progress(len(finished), len(searches))
    return finished


def run_search(data: RegressionData, search: Search) -> SearchResult:
    """Tune and fit on a search's training rows; predict and explain its held-out rows."""
    features, target = data.features.iloc[search.train], data.target[search.train]
    patients = data.patients[search.train]
    best = search_params(search.family, features, target, patients, trials=search.trials, seed=search.seed)
    bare = build_regressor(search.family, best.params, seed=search.seed, rows=len(features))
    model = build_pipeline(features, bare).fit(features, target)
    if len(search.test) == 0:
        return SearchResult(search, best, np.empty(0), np.empty((0, 0)), np.empty(0), model)
    held_out = data.features.iloc[search.test]
    values, base = shap_values(search.family, model, held_out)
    return SearchResult(search, best, model.predict(held_out), values, base, model)


def baseline_predictions(data: RegressionData, splits: Sequence[Split]) -> dict[str, Floats]:
    """Predict the held-out rows by the baselines, on the same folds."""
    return {
        name: held_out_predictions(partial(build_baseline, name, data.features), data, splits)
        for name in BASELINES
    }


def held_out_predictions(
    build_model: Callable[[], Any],
    data: RegressionData,
    splits: Sequence[Split],
    target: Floats | None = None,
) -> Floats:
    """Fit a new model on each fold's training side and predict its test side."""
    goal = data.target if target is None else target
    predicted = np.full(len(goal), np.nan)
    for train, test in splits:
        model = build_model().fit(data.features.iloc[train], goal[train])
        predicted[test] = model.predict(data.features.iloc[test])
    return predicted


def _seed(seed: int, family: int, fold: int) -> int:
    return int(np.random.SeedSequence((seed, family, fold)).generate_state(1)[0] % 2**31)
