"""Scores of events equal scikit-learn's, also with weights; intervals hold the score."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from cxr.analysis.results.event_plots import calibration_bins, net_benefit
from cxr.analysis.results.event_scores import (
    auprc,
    auroc,
    brier,
    calibration_slope,
    score_event,
    score_prevalence,
    sensitivity,
    specificity,
)
from cxr.analysis.results.wording import brief_row, score_row


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), levels=st.integers(1, 30), rows=st.integers(4, 60))
def test_scores_equal_the_reference_with_ties_and_weights(seed: int, levels: int, rows: int) -> None:
    rng = np.random.default_rng(seed)
    events = np.r_[0.0, 1.0, rng.integers(0, 2, rows - 2)]
    predicted = rng.integers(0, levels, rows) / levels
    weights = np.r_[1.0, 1.0, rng.integers(0, 4, rows - 2)]
    for ours, reference in (
        (auroc, roc_auc_score),
        (auprc, average_precision_score),
        (brier, brier_score_loss),
    ):
        expected = reference(events, predicted, sample_weight=weights)
        assert ours(events, predicted, weights) == pytest.approx(expected)


def test_slope_is_that_of_a_logistic_regression() -> None:
    rng = np.random.default_rng(0)
    odds = rng.normal(0, 1.5, 400)
    events = (rng.random(400) < 1 / (1 + np.exp(-0.6 * odds))).astype(float)
    predicted = 1 / (1 + np.exp(-odds))
    model = LogisticRegression(C=1e9, tol=1e-8).fit(odds[:, None], events)
    assert calibration_slope(events, predicted, np.ones(400)) == pytest.approx(model.coef_[0, 0], rel=1e-3)


def test_scores_that_are_not_defined_are_nan() -> None:
    ones, zeros, weights = np.ones(6), np.zeros(6), np.ones(6)
    assert np.isnan(auroc(ones, zeros, weights))
    assert np.isnan(auprc(zeros, ones, weights))
    assert np.isnan(sensitivity(zeros, ones, weights))
    assert np.isnan(specificity(ones, ones, weights))
    assert np.isnan(calibration_slope(np.r_[zeros, ones], np.full(12, 0.5), np.ones(12)))


def test_interval_holds_the_score_and_is_over_patients() -> None:
    rng = np.random.default_rng(1)
    events = np.repeat(rng.integers(0, 2, 40), 5).astype(float)
    predicted = np.clip(0.3 * events + np.repeat(rng.random(40), 5) * 0.7, 0, 1)
    alarms = (predicted > 0.5).astype(float)
    by_patient = np.repeat(np.arange(40), 5).astype(str)
    by_row = np.arange(200).astype(str)
    wide, narrow = (
        score_event("m", "m", events, predicted, alarms, patients, seed=0, resamples=300).auroc
        for patients in (by_patient, by_row)
    )
    assert wide.low < wide.value < wide.high
    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)


def test_of_the_prevalence_only_the_brier_score_is_defined() -> None:
    events = np.tile([0.0, 0.0, 1.0], 20)
    patients = np.arange(60).astype(str)
    score = score_prevalence("p", "p", events, np.full(60, 1 / 3), patients, seed=0, resamples=50)
    assert score.brier.low < score.brier.value < score.brier.high
    for one in (score.auroc, score.auprc, score.calibration_slope, score.sensitivity, score.specificity):
        assert np.isnan([one.value, one.low, one.high]).all()
    assert score_row(score)[1] == brief_row(score)[1] == brief_row(score)[2] == "–"


def test_calibration_bins_and_net_benefit() -> None:
    events = np.r_[np.zeros(20), np.ones(20)]
    predicted = np.linspace(0.01, 0.99, 40)
    means, shares, counts = calibration_bins(events, predicted)
    assert counts.sum() == 40
    assert (np.diff(means) > 0).all()
    assert (shares[0], shares[-1]) == (0, 1)
    assert net_benefit(events, np.ones(40), np.array([0.2]))[0] == pytest.approx(0.5 - 0.5 * 0.25)
    assert net_benefit(events, events, np.array([0.7]))[0] == pytest.approx(0.5)
