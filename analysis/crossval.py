"""Nested cross-validation over patients: tune inside, judge outside, and count only what was held out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from ..machine.extras import require
from .explain import contributions
from .records import Family
from .regressors import BASELINES, Floats, baseline, build, regressor
from .tuning import INNER_FOLDS, Tuned, tune

if TYPE_CHECKING:
    import pandas as pd

Ints = npt.NDArray[np.intp]
Split = tuple[Ints, Ints]


@dataclass(frozen=True)
class Problem:
    """What is learnt: encodable features, a target without gaps, and whose images the rows are."""

    features: pd.DataFrame
    target: Floats
    patients: npt.NDArray[np.str_]


@dataclass(frozen=True)
class Task:
    """One search and fit: on the training rows of an outer fold, or (`fold` None) on everything."""

    family: Family
    fold: int | None
    train: Ints
    test: Ints
    trials: int
    seed: int


@dataclass(frozen=True)
class Fitted:
    """What one task gave; held-out predictions and SHAP values are empty where nothing was held out."""

    task: Task
    tuned: Tuned
    prediction: Floats
    shap_values: Floats
    shap_base: Floats
    model: Any


def outer_folds(patients: npt.NDArray[np.str_], folds: int, seed: int) -> list[Split]:
    """Split the rows so that a patient is on one side of each fold.

    Raises
    ------
    InputError
        If there are too few patients for `folds` folds with two patients each.
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
        assert_apart(patients[train], patients[test])
    return splits


def assert_apart(train: npt.NDArray[np.str_], test: npt.NDArray[np.str_]) -> None:
    """Refuse two sides that share a patient.

    Raises
    ------
    InputError
        Naming one who is on both.
    """
    both = np.intersect1d(train, test)
    if len(both):
        raise InputError(f"{len(both)} patients are on both sides of a fold, such as {both[0]}")


def make_tasks(
    families: Sequence[Family], splits: Sequence[Split], rows: int, *, trials: int, seed: int
) -> list[Task]:
    """List the searches: for each family one a fold and one on everything, each with a seed of its own."""
    everything, nothing = np.arange(rows), np.arange(0)
    tasks: list[Task] = []
    for family in families:
        place = list(Family).index(family)
        for fold, (train, test) in enumerate(splits):
            tasks.append(Task(family, fold, train, test, trials, _seed(seed, place, fold)))
        tasks.append(Task(family, None, everything, nothing, trials, _seed(seed, place, len(splits))))
    return tasks


def run_tasks(
    problem: Problem, tasks: Sequence[Task], *, jobs: int, on_step: Callable[[int, int], None]
) -> list[Fitted]:
    """Run the tasks, in `jobs` processes; the results are the same for any number of them."""
    joblib = require("joblib", extra="analysis")
    parallel = joblib.Parallel(n_jobs=jobs, return_as="generator")
    results: Iterator[Fitted] = parallel(joblib.delayed(run_task)(problem, task) for task in tasks)
    done: list[Fitted] = []
    for result in results:
        done.append(result)
        on_step(len(done), len(tasks))
    return done


def run_task(problem: Problem, task: Task) -> Fitted:
    """Tune and fit on a task's training rows; predict and explain its held-out rows."""
    features, target = problem.features.iloc[task.train], problem.target[task.train]
    tuned = tune(
        task.family, features, target, problem.patients[task.train], trials=task.trials, seed=task.seed
    )
    bare = build(task.family, tuned.params, seed=task.seed, rows=len(features))
    model = regressor(features, bare).fit(features, target)
    if len(task.test) == 0:
        return Fitted(task, tuned, np.empty(0), np.empty((0, 0)), np.empty(0), model)
    held_out = problem.features.iloc[task.test]
    values, base = contributions(task.family, model, held_out)
    return Fitted(task, tuned, model.predict(held_out), values, base, model)


def baseline_predictions(problem: Problem, splits: Sequence[Split]) -> dict[str, Floats]:
    """Predict the held-out rows by the plain models, on the same folds."""
    return {
        name: held_out_predictions(partial(baseline, name, problem.features), problem, splits)
        for name in BASELINES
    }


def held_out_predictions(
    make: Callable[[], Any], problem: Problem, splits: Sequence[Split], target: Floats | None = None
) -> Floats:
    """Fit a new model on each training side and predict its test side."""
    goal = problem.target if target is None else target
    predicted = np.full(len(goal), np.nan)
    for train, test in splits:
        model = make().fit(problem.features.iloc[train], goal[train])
        predicted[test] = model.predict(problem.features.iloc[test])
    return predicted


def _seed(seed: int, family: int, fold: int) -> int:
    return int(np.random.SeedSequence((seed, family, fold)).generate_state(1)[0] % 2**31)
