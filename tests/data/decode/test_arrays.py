"""Arrays follow the rules of files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cxr.data.decode.arrays import radiograph_from_array
from cxr.data.decode.reader import read_image
from cxr.errors import DecodeError


@given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_uint8_is_used_unchanged(array: np.ndarray) -> None:
    np.testing.assert_array_equal(radiograph_from_array(array).pixels, array)


def test_uint16_of_16_bits_equals_the_png_of_the_same_samples(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).integers(0, 65536, (20, 30), dtype=np.uint16)
    cv2.imwrite(str(tmp_path / "a.png"), samples)
    expected = read_image(tmp_path / "a.png").pixels
    np.testing.assert_array_equal(radiograph_from_array(samples, bits=16).pixels, expected)


@given(bits=st.integers(1, 16), data=st.data())
def test_the_darkest_sample_is_black_and_the_brightest_white(bits: int, data: st.DataObject) -> None:
    white = (1 << bits) - 1
    array = np.array([[0, white]], data.draw(st.sampled_from([np.uint16, np.float32, np.float64])))
    assert radiograph_from_array(array, bits=bits).pixels.tolist() == [[0, 255]]


def test_floating_point_in_0_to_1_becomes_0_to_255() -> None:
    assert radiograph_from_array([[0.0, 0.5, 1.0]]).pixels.tolist() == [[0, 128, 255]]


def test_spacing_is_kept() -> None:
    assert radiograph_from_array(np.zeros((2, 2), np.uint8), spacing_mm=(0.2, 0.1)).spacing_mm == (0.2, 0.1)


@pytest.mark.parametrize(
    ("array", "settings", "message"),
    [
        (np.zeros((4, 4), np.uint16), {}, "uint16.*bits="),
        (np.zeros((4, 4), np.int64), {}, "int64"),
        (np.zeros((4, 4), bool), {}, "bool"),
        (np.zeros((4, 4), np.int16), {"bits": 12}, "int16"),
        (np.zeros((4, 4, 3), np.uint8), {}, r"shape \(4, 4, 3\)"),
        (np.zeros((0, 4), np.uint8), {}, r"shape \(0, 4\)"),
        (np.full((4, 4), 300.0), {}, "300"),
        (np.full((4, 4), np.nan), {}, "nan"),
        (np.full((4, 4), 4096, np.uint16), {"bits": 12}, "4096.*12 bits"),
        (np.zeros((4, 4), np.uint16), {"bits": 17}, "between 1 and 16"),
    ],
)
def test_anything_else_is_an_error_that_names_it(
    array: np.ndarray, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(DecodeError, match=message):
        radiograph_from_array(array, **settings)
