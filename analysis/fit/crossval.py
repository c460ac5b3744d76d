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
from ..records import Family, Floats, Task
from .explanation import shap_values
from .families import BASELINES, build_baseline, build_model, build_pipeline, predicted
from .folds import Ints, Split, grouped_folds
from .tuning import INNER_FOLDS, BestParams, search_params

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class LearningData:
    """What is learned from: the features, the target (an event: 0 or 1), the patient of each row."""

    features: pd.DataFrame
    target: Floats
    patients: npt.NDArray[np.str_]
    task: Task = Task.REGRESSION


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
    threshold: float | None = None


def outer_folds(
    patients: npt.NDArray[np.str_], folds: int, seed: int, events: Floats | None = None
) -> list[Split]:
    """Split the rows so that all rows of a patient are on one side of each fold.

    With `events` (0 or 1), the folds have about the same share of them, and every training side enough
    patients of both classes for the inner folds.

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
    splits = grouped_folds(patients, folds, seed, events, fewest=INNER_FOLDS)
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
    data: LearningData, searches: Sequence[Search], *, jobs: int, progress: Progress
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


def run_search(data: LearningData, search: Search) -> SearchResult:
    """Tune and fit on a search's training rows; predict and explain its held-out rows."""
    features, target = data.features.iloc[search.train], data.target[search.train]
    patients = data.patients[search.train]
    best = search_params(
        search.family, features, target, patients, trials=search.trials, seed=search.seed, task=data.task
    )
    bare = build_model(search.family, best.params, seed=search.seed, rows=len(features), task=data.task)
    model = build_pipeline(features, bare, data.task).fit(features, target)
    if len(search.test) == 0:
        return SearchResult(search, best, np.empty(0), np.empty((0, 0)), np.empty(0), model)
    held_out = data.features.iloc[search.test]
    values, base = shap_values(search.family, model, held_out)
    return SearchResult(search, best, predicted(model, held_out), values, base, model, best.threshold)


def baseline_predictions(data: LearningData, splits: Sequence[Split]) -> dict[str, Floats]:
    """Predict the held-out rows by the baselines, on the same folds."""
    return {
        name: held_out_predictions(partial(build_baseline, name, data.features), data, splits)
        for name in BASELINES[data.task]
    }


def held_out_predictions(
    build: Callable[[], Any],
    data: LearningData,
    splits: Sequence[Split],
    target: Floats | None = None,
) -> Floats:
    """Fit a new model on each fold's training side and predict its test side."""
    goal = data.target if target is None else target
    values = np.full(len(goal), np.nan)
    for train, test in splits:
        model = build().fit(data.features.iloc[train], goal[train])
        values[test] = predicted(model, data.features.iloc[test])
    return values


def _seed(seed: int, family: int, fold: int) -> int:
    return int(np.random.SeedSequence((seed, family, fold)).generate_state(1)[0] % 2**31)
