from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxr.metrics.bland_altman import bland_altman

VALUES = st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)), min_size=2, max_size=8)


@given(VALUES)
def test_bias_and_limits_equal_their_definition(values: list[tuple[float, float]]) -> None:
    truth, predicted = np.array(values).T
    difference = predicted - truth
    result = bland_altman(truth, predicted, [str(n) for n in range(len(values))])
    half_width = 1.96 * difference.std(ddof=1)
    assert result.images == len(values)
    assert result.bias.value == pytest.approx(difference.mean(), abs=1e-6)
    assert result.lower.value == pytest.approx(difference.mean() - half_width, rel=1e-5, abs=1e-2)
    assert result.upper.value == pytest.approx(difference.mean() + half_width, rel=1e-5, abs=1e-2)


def test_a_constant_error_is_all_bias() -> None:
    truth = np.array([0.1, 0.2, 0.4])
    result = bland_altman(truth, truth + 0.05, ["a", "b", "c"])
    for interval in (result.bias, result.lower, result.upper):
        assert (interval.value, interval.low, interval.high) == pytest.approx((0.05, 0.05, 0.05), abs=1e-6)


def test_patients_are_resampled_with_all_their_images() -> None:
    truth = np.zeros(10)
    predicted = np.array([1.0] * 9 + [0.0])
    result = bland_altman(truth, predicted, ["one"] * 9 + ["two"])
    assert result.bias.value == pytest.approx(0.9)
    assert (result.bias.low, result.bias.high) == pytest.approx((0.0, 1.0))


def test_one_image_has_a_bias_and_no_limits() -> None:
    result = bland_altman(np.array([1.0]), np.array([3.0]), ["a"])
    assert result.bias.value == 2
    assert math.isnan(result.lower.value)
    assert math.isnan(result.upper.value)
