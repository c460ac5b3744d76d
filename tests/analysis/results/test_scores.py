"""R², its interval over patients, and the check on shuffled targets."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold

from cxr.analysis.fit.crossval import LearningData, outer_folds
from cxr.analysis.fit.families import build_model, build_pipeline, first_params
from cxr.analysis.records import Family
from cxr.analysis.results.scores import (
    check_shuffled_targets,
    prediction_errors,
    r2_interval,
    shuffle_between_patients,
)

numbers = hnp.arrays(np.float64, st.integers(3, 30), elements=st.floats(-100, 100, width=16))


def test_constant_target_has_no_r2_but_has_errors() -> None:
    errors = prediction_errors(np.array([2.0, 2.0, 2.0]), np.array([2.0, 1.0, 3.0]))
    assert np.isnan(errors["r2"])
    assert np.isclose(errors["rmse"], np.sqrt(2 / 3))
    assert np.isclose(errors["mae"], 2 / 3)


@settings(deadline=None)
@given(data=st.data(), target=numbers)
def test_r2_is_the_explained_share_of_the_variance(data: st.DataObject, target: np.ndarray) -> None:
    guess = data.draw(hnp.arrays(np.float64, len(target), elements=st.floats(-100, 100, width=16)))
    assume(np.ptp(target) > 0)
    residual, total = ((target - guess) ** 2).sum(), ((target - target.mean()) ** 2).sum()
    assert np.isclose(prediction_errors(target, guess)["r2"], 1 - residual / total)


def test_interval_equals_a_bootstrap_that_draws_whole_patients() -> None:
    rng = np.random.default_rng(0)
    patients = np.repeat([f"P{n:02d}" for n in range(25)], rng.integers(1, 6, 25))
    target = rng.normal(3, 1, len(patients))
    guess = target + rng.normal(0, 0.6, len(patients))
    names = np.unique(patients)
    same_draws = np.random.default_rng(7)
    draws = []
    for _ in range(200):
        rows = np.concatenate(
            [np.flatnonzero(patients == names[n]) for n in same_draws.integers(25, size=25)]
        )
        draws.append(r2_score(target[rows], guess[rows]))
    expected = np.percentile(draws, [2.5, 97.5])
    assert np.allclose(r2_interval(target, guess, patients, seed=7, resamples=200), expected)


def test_interval_is_wider_if_the_images_are_of_few_patients() -> None:
    rng = np.random.default_rng(0)
    level = np.repeat(rng.normal(0, 1, 10), 20)
    guess = level + np.repeat(rng.normal(0, 0.5, 10), 20)
    few, many = np.repeat(np.arange(10), 20).astype(str), np.arange(200).astype(str)
    low, high = r2_interval(level, guess, few, seed=0)
    narrow_low, narrow_high = r2_interval(level, guess, many, seed=0)
    assert high - low > 2 * (narrow_high - narrow_low)


def test_shuffling_keeps_the_targets_of_a_patient_together() -> None:
    patients = np.array(["a", "b", "a", "c", "b", "c"])
    target = np.array([1.0, 2.0, 1.5, 3.0, 2.5, 3.5])
    shuffled = shuffle_between_patients(target, patients, np.random.default_rng(3))
    assert sorted(shuffled) == sorted(target)
    blocks = {tuple(shuffled[patients == name]) for name in "abc"}
    assert blocks == {(1.0, 1.5), (2.0, 2.5), (3.0, 3.5)}
    assert not np.array_equal(shuffled, target)


@pytest.mark.parametrize("by_patient", [True, False])
def test_shuffle_check_fails_only_if_patients_are_on_both_sides(*, by_patient: bool) -> None:
    """Height identifies the patient and nothing else; with folds by row, a forest memorizes it."""
    rng = np.random.default_rng(0)
    patients = np.repeat(np.arange(40), 4).astype(str)
    height = np.repeat(rng.normal(170, 10, 40), 4)
    target = np.repeat(rng.normal(0, 1, 40), 4) + rng.normal(0, 0.1, 160)
    data = LearningData(pd.DataFrame({"height": height}), target, patients)
    rows = KFold(5, shuffle=True, random_state=0).split(height)
    splits = outer_folds(patients, 5, 0) if by_patient else list(rows)
    params = {**first_params(Family.RF), "min_samples_leaf": 1}
    build = partial(build_pipeline, data.features, build_model(Family.RF, params, seed=0, rows=160))
    check = check_shuffled_targets(Family.RF, build, data, splits, seed=0)
    assert check.passed is by_patient
