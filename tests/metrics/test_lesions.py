from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching
from skimage.measure import label

from cxr.data.image import Gray
from cxr.metrics.lesions import IOU_LIMITS, LesionCounts, lesion_f1, match_lesions

MASKS = arrays(np.uint8, (12, 13), elements=st.integers(0, 1))


def reference(truth: Gray, predicted: Gray) -> LesionCounts:
    first, second = label(truth, connectivity=2), label(predicted, connectivity=2)
    iou = np.zeros((first.max(), second.max()))
    for row in range(first.max()):
        for column in range(second.max()):
            a, b = first == row + 1, second == column + 1
            iou[row, column] = (a & b).sum() / (a | b).sum()
    matched = (
        int((maximum_bipartite_matching(csr_array(iou >= limit)) >= 0).sum()) if iou.size else 0
        for limit in IOU_LIMITS
    )
    return LesionCounts(first.max(), second.max(), tuple(matched))


@given(MASKS, MASKS)
def test_matches_equal_those_of_scikit_image_and_scipy(truth: Gray, predicted: Gray) -> None:
    assert match_lesions(truth, predicted) == reference(truth, predicted)


@given(MASKS, MASKS)
def test_a_stricter_limit_matches_no_more(truth: Gray, predicted: Gray) -> None:
    matched = match_lesions(truth, predicted).matched
    assert list(matched) == sorted(matched, reverse=True)


@given(MASKS)
def test_every_component_finds_itself(mask: Gray) -> None:
    counts = match_lesions(mask, mask)
    assert counts.matched == (counts.truth,) * len(IOU_LIMITS)


def test_one_component_over_two_finds_only_one() -> None:
    truth, predicted = np.zeros((9, 20), np.uint8), np.zeros((9, 20), np.uint8)
    truth[2:6, 2:8], truth[2:6, 10:16] = 1, 1
    predicted[2:6, 2:16] = 1
    assert match_lesions(truth, predicted) == LesionCounts(2, 1, (1, 1, 0))


def test_pairs_are_chosen_so_that_most_components_are_found() -> None:
    """A long chain, in which each component overlaps two of the other mask."""
    truth, predicted = np.zeros((4, 2500), np.uint8), np.zeros((4, 2500), np.uint8)
    for number in range(620):
        truth[1, 4 * number + 2 : 4 * number + 5] = 1
        predicted[1, 4 * number : 4 * number + 3] = 1
    counts = match_lesions(truth, predicted)
    assert counts == LesionCounts(620, 620, (620, 0, 0))


def test_thousands_of_specks_are_matched() -> None:
    specks = np.zeros((300, 300), np.uint8)
    specks[::2, ::2] = 1
    assert match_lesions(specks, specks) == LesionCounts(22_500, 22_500, (22_500,) * 3)


def test_f1_counts_the_components_of_all_images_together() -> None:
    counts = [LesionCounts(2, 1, (1, 1, 0)), LesionCounts(0, 3, (0, 0, 0)), LesionCounts(1, 1, (1, 1, 1))]
    result = lesion_f1(counts, ["a", "b", "c"], 0)
    assert result is not None
    assert result.value == pytest.approx(2 * 2 / 8)
    assert result.low <= result.value <= result.high


def test_f1_without_any_component_is_undefined() -> None:
    assert lesion_f1([LesionCounts(0, 0, (0, 0, 0))], ["a"], 0) is None


def test_masks_of_different_sizes_are_an_error() -> None:
    with pytest.raises(ValueError, match="differ in shape"):
        match_lesions(np.zeros((3, 4), np.uint8), np.zeros((4, 3), np.uint8))
