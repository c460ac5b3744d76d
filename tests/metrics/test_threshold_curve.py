from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cxr.data.image import Gray
from cxr.metrics.overlap import score
from cxr.metrics.threshold_curve import (
    THRESHOLDS,
    ThresholdCounts,
    best_threshold,
    count_at_thresholds,
    threshold_curve,
)

SHAPE = (6, 7)
MASKS = arrays(np.uint8, SHAPE, elements=st.integers(0, 1))
MAPS = arrays(np.float32, SHAPE, elements=st.floats(0, 1, width=32))


@given(MASKS, MAPS)
def test_counts_are_those_of_the_masks_at_each_threshold(truth: Gray, probability: np.ndarray) -> None:
    counts = count_at_thresholds(truth, probability)
    for index, threshold in enumerate(THRESHOLDS):
        mask = (probability >= threshold).astype(np.uint8)
        expected = score(truth, mask, key="", patient_id="", class_name="")
        assert (counts.truth_area, counts.predicted_areas[index], counts.intersections[index]) == (
            expected.truth_area,
            expected.predicted_area,
            expected.intersection,
        )
        assert counts.dice[index] == pytest.approx(expected.dice, nan_ok=True)


def test_curve_averages_dice_over_positives_and_specificity_over_empties() -> None:
    counts = [
        ThresholdCounts(10, (10, 4), (10, 4)),
        ThresholdCounts(10, (30, 10), (10, 5)),
        ThresholdCounts(0, (3, 0), (0, 0)),
        ThresholdCounts(0, (0, 0), (0, 0)),
    ]
    low, high = threshold_curve(counts, ["a", "b", "c", "d"], (0.2, 0.8))
    assert low.dice is not None
    assert high.dice is not None
    assert low.specificity is not None
    assert high.specificity is not None
    assert low.dice.value == pytest.approx((1 + 0.5) / 2)
    assert high.dice.value == pytest.approx((8 / 14 + 0.5) / 2)
    assert (low.specificity.value, high.specificity.value) == (0.5, 1.0)
    assert best_threshold((low, high)) == 0.2


def test_of_equally_good_thresholds_the_nearest_to_one_half_is_chosen() -> None:
    truth, probability = np.ones(SHAPE, np.uint8), np.ones(SHAPE, np.float32)
    curve = threshold_curve([count_at_thresholds(truth, probability)], ["a"])
    assert best_threshold(curve) == 0.5


def test_without_a_positive_there_is_no_best_threshold() -> None:
    empty = count_at_thresholds(np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.float32))
    assert all(math.isnan(value) for value in empty.dice)
    curve = threshold_curve([empty], ["a"])
    assert [point.dice for point in curve] == [None] * len(THRESHOLDS)
    assert best_threshold(curve) is None
