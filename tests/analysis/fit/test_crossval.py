"""A patient is on one side of every fold, inner and outer; a search is reproducible from its seed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

from cxr.analysis.fit import tuning
from cxr.analysis.fit.crossval import (
    LearningData,
    check_no_shared_patient,
    outer_folds,
    plan_searches,
    run_search,
)
from cxr.analysis.fit.families import (
    build_model,
    build_pipeline,
    feature_frame,
    final_params,
    first_params,
)
from cxr.analysis.records import Family, Task
from cxr.errors import InputError


@pytest.fixture
def data() -> LearningData:
    rng = np.random.default_rng(0)
    count = 90
    frame = pd.DataFrame({"age": rng.normal(50, 15, count), "sex": rng.choice(["M", "F", None], count)})
    frame.loc[3, "age"] = np.nan
    target = (
        frame["age"].fillna(50).to_numpy() + 9 * (frame["sex"] == "M").to_numpy() + rng.normal(0, 4, count)
    )
    return LearningData(feature_frame(frame, ["age", "sex"]), target, rng.integers(0, 30, count).astype(str))


@settings(deadline=None)
@given(
    patients=st.lists(st.integers(0, 20), min_size=30, max_size=80),
    folds=st.integers(2, 5),
    seed=st.integers(0, 9),
)
def test_no_patient_is_on_both_sides_of_an_outer_fold(patients: list[int], folds: int, seed: int) -> None:
    names = np.array(patients).astype(str)
    assume(len(set(patients)) >= max(2 * folds, 6))
    splits = outer_folds(names, folds, seed)
    assert sorted(np.concatenate([test for _, test in splits])) == list(range(len(names)))
    for train, test in splits:
        assert not set(names[train]) & set(names[test])


@pytest.mark.parametrize("task", Task)
def test_inner_folds_split_by_patient_and_exclude_the_held_out_rows(
    data: LearningData, monkeypatch: pytest.MonkeyPatch, task: Task
) -> None:
    """The search is given the training side only, and its own folds are split by patient."""
    is_event = task is Task.CLASSIFICATION
    splitter = StratifiedGroupKFold if is_event else GroupKFold
    if is_event:
        events = (data.target > np.median(data.target)).astype(float)
        data = LearningData(data.features, events, data.patients, task)
    seen: list[tuple[set[str], set[str]]] = []
    original = splitter.split

    def spy(self: object, rows: object, target: object = None, groups: object = None) -> object:
        names = np.asarray(groups)
        for train, test in original(self, rows, target, groups):
            seen.append((set(names[train]), set(names[test])))
            yield train, test

    splits = outer_folds(data.patients, 3, 0, data.target if is_event else None)
    monkeypatch.setattr(splitter, "split", spy)
    search = plan_searches([Family.LGB], splits, 90, trials=1, seed=0)[0]
    run_search(data, search)
    held_out = set(data.patients[search.test])
    assert len(seen) == tuning.INNER_FOLDS
    for train, test in seen:
        assert not train & test
        assert not (train | test) & held_out


@settings(deadline=None, max_examples=30)
@given(rare=st.integers(6, 12), images=st.integers(1, 4), folds=st.integers(2, 3), seed=st.integers(0, 99))
def test_training_sides_of_events_have_enough_of_both_classes_for_the_inner_folds(
    rare: int, images: int, folds: int, seed: int
) -> None:
    patients = np.repeat(np.arange(40), images).astype(str)
    events = np.repeat(np.arange(40) < rare, images).astype(float)
    for train, test in outer_folds(patients, folds, seed, events):
        assert len(set(patients[train][events[train] == 1])) >= tuning.INNER_FOLDS
        assert set(events[test]) == {0.0, 1.0}


def test_folds_that_cannot_hold_both_classes_are_one_line_without_a_warning() -> None:
    patients = np.arange(40).astype(str)
    with pytest.raises(InputError, match="the rarer has 2 of 40 patients; more of them are needed"):
        outer_folds(patients, 3, 0, (np.arange(40) < 2).astype(float))


def test_sides_that_share_a_patient_are_rejected() -> None:
    with pytest.raises(InputError, match="1 patients are on both sides of a fold, such as P2"):
        check_no_shared_patient(np.array(["P1", "P2"]), np.array(["P2", "P3"]))


@pytest.mark.parametrize(
    ("patients", "folds", "advice"),
    [(9, 5, "at most 4 are possible"), (4, 2, "too few for any"), (1, 2, "too few for any")],
)
def test_too_few_patients_are_an_error_that_names_the_possible_number_of_folds(
    patients: int, folds: int, advice: str
) -> None:
    names = np.repeat(np.arange(patients), 4).astype(str)
    with pytest.raises(InputError, match=f"there are {patients} .*{advice}"):
        outer_folds(names, folds, 0)


def test_suggested_number_of_folds_works() -> None:
    assert len(outer_folds(np.arange(9).astype(str), 4, 0)) == 4


@pytest.mark.parametrize("family", Family)
def test_search_is_reproducible_from_its_seed(data: LearningData, family: Family) -> None:
    def best(seed: int) -> tuning.BestParams:
        return tuning.search_params(family, data.features, data.target, data.patients, trials=3, seed=seed)

    assert best(1) == best(1)
    assert best(1) != best(2)


def test_every_search_has_its_own_seed() -> None:
    splits = outer_folds(np.arange(12).astype(str), 3, 0)
    searches = plan_searches(list(Family), splits, 12, trials=1, seed=0)
    assert len({search.seed for search in searches}) == len(searches) == 12
    forest_only = plan_searches([Family.RF], splits, 12, trials=1, seed=0)
    forest_of_all = [search for search in searches if search.family is Family.RF]
    assert [search.seed for search in forest_only] == [search.seed for search in forest_of_all]


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_unit_of_the_target_does_not_matter(data: LearningData, family: Family, scale: float) -> None:
    """XGBoost by itself makes no split where the target is of the order of 1e-6."""

    def fitted(target: np.ndarray) -> np.ndarray:
        bare = build_model(family, final_params(family, first_params(family)), seed=0, rows=90)
        return np.asarray(
            build_pipeline(data.features, bare).fit(data.features, target).predict(data.features)
        )

    assert np.allclose(fitted(data.target * scale) / scale, fitted(data.target), rtol=1e-3)
