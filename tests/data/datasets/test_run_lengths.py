from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco

from cxr.data.datasets.run_lengths import draw_run_lengths
from cxr.data.datasets.shapes import RunForm, RunLengths
from cxr.errors import InputError

Mask = np.ndarray

masks = hnp.arrays(
    np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=40), elements=st.integers(0, 1)
)


def draw(text: str, form: RunForm, shape: tuple[int, int], *, stated: bool = True) -> Mask:
    mask = np.zeros(shape, np.uint8)
    draw_run_lengths(RunLengths(text, form, shape if stated else None), mask)
    return mask


def counts_of(mask: Mask) -> list[int]:
    """Count background and foreground in turn, down the columns."""
    pixels = mask.T.ravel()
    changes = np.flatnonzero(np.diff(pixels)) + 1
    counts = np.diff([0, *changes, pixels.size]).tolist()
    return [0, *counts] if pixels[0] else counts


def pairs_of(mask: Mask, *, relative: bool) -> str:
    """Write a mask one pixel after the other, as the contests' own scripts do."""
    numbers: list[int] = []
    last_end, run, previous = 0, 0, 0
    for place, value in enumerate([*mask.T.ravel(), 0]):
        if value and not previous:
            run = place
        if previous and not value:
            numbers += [run - last_end if relative else run + 1, place - run]
            last_end = place
        previous = value
    return " ".join(map(str, numbers))


@given(masks)
def test_compressed_text_is_read_as_pycocotools_writes_it(mask: Mask) -> None:
    text = coco.encode(np.asfortranarray(mask))["counts"].decode()
    np.testing.assert_array_equal(draw(text, RunForm.COCO, mask.shape), mask)


@given(st.integers(1, 1 << 18), st.integers(1, 1 << 18), st.integers(0, 1 << 18))
def test_long_runs_are_read_as_pycocotools_writes_them(first: int, second: int, third: int) -> None:
    mask = np.repeat(np.array([0, 1, 0], np.uint8), (first, second, third))[:, np.newaxis]
    text = coco.encode(np.asfortranarray(mask))["counts"].decode()
    np.testing.assert_array_equal(draw(text, RunForm.COCO, mask.shape), mask)


@given(masks)
def test_plain_counts_are_read(mask: Mask) -> None:
    text = " ".join(map(str, counts_of(mask)))
    np.testing.assert_array_equal(draw(text, RunForm.COUNTS, mask.shape), mask)


@given(masks)
def test_pairs_are_read_in_both_forms(mask: Mask) -> None:
    for form in (RunForm.KAGGLE, RunForm.SIIM):
        text = pairs_of(mask, relative=form is RunForm.SIIM)
        np.testing.assert_array_equal(draw(text, form, mask.shape, stated=False), mask)


def test_pixels_are_numbered_down_the_columns_from_1_or_from_the_run_before() -> None:
    expected = [[0, 1, 0], [1, 0, 0]]
    assert draw("2 2", RunForm.KAGGLE, (2, 3)).tolist() == expected
    assert draw("1 2", RunForm.SIIM, (2, 3)).tolist() == expected
    assert draw("1 1 0 1", RunForm.SIIM, (2, 3)).tolist() == expected


def test_runs_that_overlap_are_one() -> None:
    assert draw("1 3 2 2", RunForm.KAGGLE, (2, 3)).sum() == 3


@pytest.mark.parametrize(
    ("text", "form", "why"),
    [
        ("5 3", RunForm.KAGGLE, "reach pixel 7 of an image of 3 x 2 = 6 pixels"),
        ("1 2 3 1", RunForm.SIIM, "reach pixel 7"),
        ("0 2", RunForm.KAGGLE, "pixels are counted from 1"),
        ("1 2 3", RunForm.KAGGLE, "pairs of a start and a length; these are 3 numbers"),
        ("1 -2", RunForm.KAGGLE, "whole numbers"),
        ("one 2", RunForm.SIIM, "whole numbers separated by blanks, not 'one 2'"),
        ("4 4", RunForm.COUNTS, "run lengths of 8 pixels for a mask of 3 x 2"),
        ("4 1", RunForm.COUNTS, "run lengths of 5 pixels"),
        ("1 2.5", RunForm.COUNTS, "whole numbers"),
        ("6 ", RunForm.COCO, "characters"),
        ("o", RunForm.COCO, "end within a number"),
        ("oooooooooo0", RunForm.COCO, "larger than any image"),
        ("O6", RunForm.COCO, "negative"),
    ],
)
def test_damaged_run_lengths_are_an_error(text: str, form: RunForm, why: str) -> None:
    with pytest.raises(InputError, match=why):
        draw(text, form, (2, 3))


def test_run_lengths_of_another_size_are_an_error() -> None:
    with pytest.raises(InputError, match=r"a mask of 3 x 2 pixels, but the image has 6 x 4"):
        draw_run_lengths(RunLengths("6", RunForm.COUNTS, (2, 3)), np.zeros((4, 6), np.uint8))


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30), st.sampled_from(RunForm))
def test_any_text_is_a_mask_or_an_error(text: str, form: RunForm) -> None:
    try:
        mask = draw(text, form, (5, 7))
    except InputError:
        return
    assert set(np.unique(mask)) <= {0, 1}
