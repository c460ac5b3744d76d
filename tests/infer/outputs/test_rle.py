from __future__ import annotations

import csv
import io

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pycocotools import mask as coco

from cxr.errors import InputError
from cxr.infer.outputs.rle import decode, encode

# pycocotools 2.0.11 hands its arrays to NumPy 2 in the old way.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

Mask = npt.NDArray[np.uint8]


def by_pycocotools(mask: Mask) -> str:
    return str(coco.encode(np.asfortranarray(mask))["counts"].decode("ascii"))


def read_by_pycocotools(text: str, shape: tuple[int, ...]) -> Mask:
    return np.asarray(coco.decode({"size": list(shape), "counts": text.encode("ascii")}), np.uint8)


def column(background: int, size: int = 200) -> Mask:
    """Give one column that begins with this many pixels of background."""
    mask = np.ones((size, 1), np.uint8)
    mask[:background] = 0
    return mask


BLOB = np.zeros((300, 200), np.uint8)
BLOB[40:220, 50:170] = 1
NOISE = (np.random.default_rng(0).random((97, 61)) > 0.5).astype(np.uint8)

MASKS = {
    "empty": np.zeros((40, 30), np.uint8),
    "full": np.ones((40, 30), np.uint8),
    "one pixel, set": np.ones((1, 1), np.uint8),
    "one pixel, not set": np.zeros((1, 1), np.uint8),
    "one row": NOISE[:1],
    "one column": NOISE[:, :1],
    "checkerboard": np.indices((33, 32)).sum(axis=0).astype(np.uint8) % 2,
    "blob": BLOB,
    "noise": NOISE,
    "a part of a larger mask": BLOB[::2, 30:180],
    "large": np.kron(NOISE, np.ones((20, 30), np.uint8)),
    "large and empty": np.zeros((5000, 4000), np.uint8),
}


@pytest.mark.parametrize("name", MASKS)
def test_the_text_is_that_of_pycocotools(name: str) -> None:
    assert encode(MASKS[name]) == by_pycocotools(MASKS[name])


@pytest.mark.parametrize("name", MASKS)
def test_a_mask_comes_back_as_it_was(name: str) -> None:
    mask = MASKS[name]
    text = encode(mask)
    np.testing.assert_array_equal(decode(text, mask.shape), mask)
    np.testing.assert_array_equal(read_by_pycocotools(text, mask.shape), mask)


@given(
    arrays.arrays(
        np.uint8, arrays.array_shapes(min_dims=2, max_dims=2, max_side=40), elements=st.integers(0, 1)
    )
)
def test_any_mask_has_the_text_of_pycocotools_and_comes_back(mask: Mask) -> None:
    text = encode(mask)
    assert text.removeprefix("]0") == by_pycocotools(mask).removeprefix("=")
    np.testing.assert_array_equal(decode(text, mask.shape), mask)
    np.testing.assert_array_equal(read_by_pycocotools(text, mask.shape), mask)


@given(st.lists(st.integers(1, 3000), min_size=1, max_size=60), st.integers(0, 1))
def test_any_run_lengths_have_the_text_of_pycocotools(runs: list[int], first: int) -> None:
    values = (np.arange(len(runs)) + first).astype(np.uint8) % 2
    mask = np.repeat(values, runs)[:, np.newaxis]
    text = encode(mask)
    assert text.removeprefix("]0") == by_pycocotools(mask).removeprefix("=")
    np.testing.assert_array_equal(decode(text, mask.shape), mask)


def test_no_spreadsheet_would_run_a_text_whatever_the_first_count() -> None:
    started_by_formula = [n for n in range(200) if by_pycocotools(column(n))[0] in "=+-@"]
    assert started_by_formula == [13]
    assert not [n for n in range(200) if encode(column(n))[0] in "=+-@"]


def test_the_count_that_is_written_otherwise_is_read_by_pycocotools() -> None:
    mask = column(13)
    assert (by_pycocotools(mask)[0], encode(mask)[:2]) == ("=", "]0")
    np.testing.assert_array_equal(read_by_pycocotools(encode(mask), mask.shape), mask)
    np.testing.assert_array_equal(decode(by_pycocotools(mask), mask.shape), mask)


@pytest.mark.parametrize("name", MASKS)
def test_a_text_is_a_cell_of_a_table_without_quotes(name: str) -> None:
    text, line = encode(MASKS[name]), io.StringIO()
    csv.writer(line).writerow((text, 1))
    assert line.getvalue() == f"{text},1\r\n"


def test_a_mask_read_back_is_one_to_write_on() -> None:
    mask = decode(encode(BLOB), BLOB.shape)
    assert (mask.dtype, mask.flags.c_contiguous, mask.flags.writeable) == (np.uint8, True, True)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "characters 0 to o"),
        ("12 3", "characters 0 to o"),
        ("1p", "characters 0 to o"),
        ("é1", "characters 0 to o"),
        (encode(BLOB) + "P", "end amid a number"),
        ("PPP", "end amid a number"),
        ("P" * 12 + "0", "13 digits"),
        (encode(BLOB) + "0a1", "not of a mask of 300 x 200"),
        ("O", "not of a mask of 300 x 200"),
        ("oooooooooo?", "not of a mask of 300 x 200"),
    ],
)
def test_what_is_not_the_text_of_such_a_mask_is_refused(text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        decode(text, BLOB.shape)


def test_a_text_is_refused_for_another_size() -> None:
    with pytest.raises(InputError, match="not of a mask of 300 x 201 pixels"):
        decode(encode(BLOB), (300, 201))
