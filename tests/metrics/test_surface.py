from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage

from cxr.data.image import Gray
from cxr.metrics.surface import surface_distances

PAIRS = array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=14).flatmap(
    lambda shape: st.tuples(*[arrays(np.uint8, shape, elements=st.integers(0, 1))] * 2)
)
SPACINGS = st.sampled_from([(1.0, 1.0), (0.143, 0.143), (0.143, 0.14301), (0.2, 0.15), (0.5, 2.0)])


def outline(mask: Gray) -> Gray:
    return (mask > 0) & ~ndimage.binary_erosion(mask > 0)


def reference(truth: Gray, predicted: Gray, spacing: tuple[float, float]) -> tuple[float, float]:
    first, second = outline(truth), outline(predicted)
    forth = ndimage.distance_transform_edt(~second, sampling=spacing)[first]
    back = ndimage.distance_transform_edt(~first, sampling=spacing)[second]
    assd = np.concatenate([forth, back]).mean()
    return float(assd), float(max(np.percentile(forth, 95), np.percentile(back, 95)))


@given(PAIRS, SPACINGS)
def test_distances_equal_those_of_scipy(pair: tuple[Gray, Gray], spacing: tuple[float, float]) -> None:
    truth, predicted = pair
    result = surface_distances(truth, predicted, spacing)
    if not (truth.any() and predicted.any()):
        assert math.isnan(result.assd)
        assert math.isnan(result.hd95)
        return
    assert (result.assd, result.hd95) == pytest.approx(reference(truth, predicted, spacing), rel=1e-5)


def test_large_masks_have_exact_distances() -> None:
    rows, columns = np.mgrid[:900, :700]
    truth = ((rows - 400) ** 2 + (columns - 300) ** 2 < 250**2).astype(np.uint8)
    predicted = ((rows - 430) ** 2 + (columns - 310) ** 2 < 220**2).astype(np.uint8)
    result = surface_distances(truth, predicted)
    assert (result.assd, result.hd95) == pytest.approx(reference(truth, predicted, (1.0, 1.0)), rel=1e-6)


@pytest.mark.parametrize("spacing", [(0.143, 0.14301), (0.2, 0.15)])
def test_outlines_of_a_hundred_thousand_pixels_are_compared_exactly(spacing: tuple[float, float]) -> None:
    """Not each pixel with each, which would be ten billion distances."""
    first, second = np.random.default_rng(0).integers(0, 2, (2, 500, 400), np.uint8)
    result = surface_distances(first, second, spacing)
    assert (result.assd, result.hd95) == pytest.approx(reference(first, second, spacing), rel=1e-5)


@given(PAIRS)
def test_order_of_the_masks_does_not_matter(pair: tuple[Gray, Gray]) -> None:
    truth, predicted = pair
    one, other = surface_distances(truth, predicted), surface_distances(predicted, truth)
    assert (one.assd, one.hd95) == pytest.approx((other.assd, other.hd95), nan_ok=True)


def test_a_shifted_square_is_as_far_as_it_was_shifted() -> None:
    truth, predicted = np.zeros((40, 40), np.uint8), np.zeros((40, 40), np.uint8)
    truth[5:6, 5:30], predicted[12:13, 5:30] = 1, 1
    result = surface_distances(truth, predicted)
    assert (result.assd, result.hd95) == (7.0, 7.0)
    assert result.scaled(0.5).hd95 == 3.5


def test_masks_of_different_sizes_are_an_error() -> None:
    with pytest.raises(ValueError, match="differ in shape"):
        surface_distances(np.zeros((3, 4), np.uint8), np.zeros((4, 3), np.uint8))
