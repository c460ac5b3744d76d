"""Patients stay on one side of every fold, inner and outer; searches repeat with their seed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cxr.analysis import tuning
from cxr.analysis.crossval import Problem, assert_apart, make_tasks, outer_folds, run_task
from cxr.analysis.records import Family
from cxr.analysis.regressors import build, final_params, first_params, model_frame, regressor
from cxr.errors import InputError


@pytest.fixture
def problem() -> Problem:
    rng = np.random.default_rng(0)
    count = 90
    frame = pd.DataFrame({"age": rng.normal(50, 15, count), "sex": rng.choice(["M", "F", None], count)})
    frame.loc[3, "age"] = np.nan
    target = (
        frame["age"].fillna(50).to_numpy() + 9 * (frame["sex"] == "M").to_numpy() + rng.normal(0, 4, count)
    )
    return Problem(model_frame(frame, ["age", "sex"]), target, rng.integers(0, 30, count).astype(str))


@settings(deadline=None)
@given(
    patients=st.lists(st.integers(0, 20), min_size=30, max_size=80),
    folds=st.integers(2, 5),
    seed=st.integers(0, 9),
)
def test_no_patient_is_on_both_sides(patients: list[int], folds: int, seed: int) -> None:
    names = np.array(patients).astype(str)
    assume(len(set(patients)) >= max(2 * folds, 6))
    splits = outer_folds(names, folds, seed)
    assert sorted(np.concatenate([test for _, test in splits])) == list(range(len(names)))
    for train, test in splits:
        assert not set(names[train]) & set(names[test])


def test_inner_folds_keep_patients_together_and_outer_test_rows_out(
    problem: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the search is given is exactly the training side, and its own folds are apart by patient."""
    from sklearn.model_selection import GroupKFold

    seen: list[tuple[set[str], set[str]]] = []
    original = GroupKFold.split

    def spy(self: GroupKFold, rows: object, target: object = None, groups: object = None) -> object:
        names = np.asarray(groups)
        for train, test in original(self, rows, target, groups):
            seen.append((set(names[train]), set(names[test])))
            yield train, test

    splits = outer_folds(problem.patients, 3, 0)
    monkeypatch.setattr(GroupKFold, "split", spy)
    task = make_tasks([Family.LGB], splits, 90, trials=1, seed=0)[0]
    run_task(problem, task)
    held_out = set(problem.patients[task.test])
    assert len(seen) == tuning.INNER_FOLDS
    for train, test in seen:
        assert not train & test
        assert not (train | test) & held_out


def test_sides_that_share_a_patient_are_refused() -> None:
    with pytest.raises(InputError, match="1 patients are on both sides of a fold, such as P2"):
        assert_apart(np.array(["P1", "P2"]), np.array(["P2", "P3"]))


@pytest.mark.parametrize(
    ("patients", "folds", "advice"),
    [(9, 5, "at most 4 are possible"), (4, 2, "too few for any"), (1, 2, "too few for any")],
)
def test_too_few_patients_are_told(patients: int, folds: int, advice: str) -> None:
    names = np.repeat(np.arange(patients), 4).astype(str)
    with pytest.raises(InputError, match=f"there are {patients} .*{advice}"):
        outer_folds(names, folds, 0)


def test_the_most_folds_that_are_advised_work() -> None:
    assert len(outer_folds(np.arange(9).astype(str), 4, 0)) == 4


@pytest.mark.parametrize("family", Family)
def test_a_search_repeats_with_its_seed(problem: Problem, family: Family) -> None:
    def search(seed: int) -> tuning.Tuned:
        data = (problem.features, problem.target, problem.patients)
        return tuning.tune(family, *data, trials=3, seed=seed)

    assert search(1) == search(1)
    assert search(1) != search(2)


def test_every_search_has_a_seed_of_its_own() -> None:
    splits = outer_folds(np.arange(12).astype(str), 3, 0)
    tasks = make_tasks(list(Family), splits, 12, trials=1, seed=0)
    assert len({task.seed for task in tasks}) == len(tasks) == 12
    alone = make_tasks([Family.RF], splits, 12, trials=1, seed=0)
    assert [task.seed for task in alone] == [task.seed for task in tasks if task.family is Family.RF]


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_the_targets_unit_does_not_matter(problem: Problem, family: Family, scale: float) -> None:
    """XGBoost alone would find no split in a target of millionths."""

    def fitted(target: np.ndarray) -> np.ndarray:
        bare = build(family, final_params(family, first_params(family)), seed=0, rows=90)
        return np.asarray(
            regressor(problem.features, bare).fit(problem.features, target).predict(problem.features)
        )

    assert np.allclose(fitted(problem.target * scale) / scale, fitted(problem.target), rtol=1e-3)
