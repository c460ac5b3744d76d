"""The rule of docs/dicom.md: the first view that fits the pixels is used."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxr.data.decode.views import MIN_SPAN, Samples, View, check_one_gray, count_samples, notes_on, range_view
from cxr.data.image import Note
from cxr.errors import DecodeError

VALUES = np.arange(65536, dtype=np.float64)


def samples(pixels: npt.ArrayLike) -> Samples:
    return Samples(VALUES, count_samples(np.asarray(pixels, np.uint16)))


RAMP = np.arange(4096)


@given(black=st.integers(0, 1000), white=st.integers(3000, 4095))
def test_view_of_most_values_fits(black: int, white: int) -> None:
    assert samples(RAMP).fits(range_view("window", VALUES, black, white))


@pytest.mark.parametrize(
    ("black", "white", "why"),
    [
        (5000, 6000, "all are black"),
        (-9000, -1000, "all are white"),
        (0, 65535, "they span a sixteenth"),
        (0, 4096 * 4, "all are in the darkest third"),
        (-4096 * 3, 4096, "all are in the brightest third"),
        (-30000, 30000, "they span little, in the middle"),
        (0, 255, "nearly all are clipped"),
        (-1, 1, "nearly all are clipped"),
    ],
)
def test_view_that_leaves_little_of_the_image_does_not_fit(black: int, white: int, why: str) -> None:
    assert not samples(RAMP).fits(range_view("window", VALUES, black, white)), why


def test_background_of_one_value_does_not_count_as_clipped() -> None:
    background = np.append(np.zeros(9 * len(RAMP), int), RAMP)
    assert samples(background).fits(range_view("window", VALUES, 1000, 4000))
    assert not samples(background).fits(range_view("window", VALUES, 0, 255))


def test_few_pixels_at_either_end_do_not_count() -> None:
    labels = np.append(RAMP, np.full(15, 65535))
    assert not samples(labels).fits(range_view("full range", VALUES, 0, 65535))


def test_limit_of_clipped_pixels_belongs_to_the_view() -> None:
    view = range_view("window", VALUES, 0, 3600)
    assert samples(RAMP).fits(view)
    assert not samples(RAMP).fits(View("window", view.brightness, view.outside, max_outside=0.05))


def test_first_view_that_fits_is_used() -> None:
    bad, good, better = (range_view(str(white), VALUES, 0, white) for white in (99, 4000, 4095))
    found = samples(RAMP).first_that_fits([bad, good, better])
    assert found is good
    assert samples(RAMP).first_that_fits([bad]) is None


@given(offset=st.integers(0, 61440), scale=st.integers(1, 16))
def test_range_in_use_is_stretched_to_all_gray_values(offset: int, scale: int) -> None:
    pixels = offset + RAMP[::scale] // scale
    gray = samples(pixels).range_in_use().gray[pixels]
    assert (gray.min(), gray.max()) == (0, 255)
    assert np.corrcoef(gray, pixels)[0, 1] > 0.999


@pytest.mark.parametrize("padding", [0, 65535, (0, 65535)])
def test_range_in_use_leaves_out_single_values_far_from_all_others(padding: int | tuple[int, int]) -> None:
    pixels = np.append(30000 + RAMP, np.repeat(padding, 500))
    gray = samples(pixels).range_in_use().gray[pixels]
    assert (gray[0], gray[len(RAMP) - 1]) == (0, 255)


def test_range_in_use_clips_few_pixels_that_would_leave_the_others_black() -> None:
    pixels = np.append(RAMP, np.arange(20000, 20016))
    gray = samples(pixels).range_in_use().gray[pixels]
    assert gray[len(RAMP) - 100] > 245


def test_few_different_values_are_not_stretched() -> None:
    with pytest.raises(DecodeError, match="only 15 different values, from 100 to 114"):
        samples(100 + np.arange(150) % 15).range_in_use()


def test_nearly_one_gray_value_is_noted() -> None:
    def notes(pixels: npt.NDArray[np.int64]) -> tuple[Note, ...]:
        return notes_on(count_samples(pixels.astype(np.uint8)))

    assert notes(np.arange(256)) == ()
    assert (
        notes(np.arange(1000) % MIN_SPAN) == notes(np.append(np.zeros(1000), 255)) == (Note.NEARLY_ONE_GRAY,)
    )


def test_one_gray_value_is_an_error() -> None:
    check_one_gray(np.array([7, 8], np.uint8))
    with pytest.raises(DecodeError, match=r"every pixel has the same gray value \(7\)"):
        check_one_gray(np.array([7, 7], np.uint8))
