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

from cxr.infer.outputs.rle import encode

# pycocotools 2.0.11 passes arrays to NumPy 2 in a deprecated way.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

Mask = npt.NDArray[np.uint8]


def coco_encode(mask: Mask) -> str:
    return str(coco.encode(np.asfortranarray(mask))["counts"].decode("ascii"))


def coco_decode(text: str, shape: tuple[int, ...]) -> Mask:
    return np.asarray(coco.decode({"size": list(shape), "counts": text.encode("ascii")}), np.uint8)


def column(background: int, size: int = 200) -> Mask:
    """Return a mask of one column that starts with this many pixels of background."""
    mask = np.ones((size, 1), np.uint8)
    mask[:background] = 0
    return mask


RECTANGLE = np.zeros((300, 200), np.uint8)
RECTANGLE[40:220, 50:170] = 1
NOISE = (np.random.default_rng(0).random((97, 61)) > 0.5).astype(np.uint8)

MASKS = {
    "empty": np.zeros((40, 30), np.uint8),
    "full": np.ones((40, 30), np.uint8),
    "one pixel, set": np.ones((1, 1), np.uint8),
    "one pixel, not set": np.zeros((1, 1), np.uint8),
    "one row": NOISE[:1],
    "one column": NOISE[:, :1],
    "checkerboard": np.indices((33, 32)).sum(axis=0).astype(np.uint8) % 2,
    "rectangle": RECTANGLE,
    "noise": NOISE,
    "view of a larger mask": RECTANGLE[::2, 30:180],
    "large": np.kron(NOISE, np.ones((20, 30), np.uint8)),
    "large and empty": np.zeros((5000, 4000), np.uint8),
}


@pytest.mark.parametrize("name", MASKS)
def test_text_equals_that_of_pycocotools(name: str) -> None:
    assert encode(MASKS[name]) == coco_encode(MASKS[name])


@pytest.mark.parametrize("name", MASKS)
def test_pycocotools_decodes_the_same_mask(name: str) -> None:
    mask = MASKS[name]
    text = encode(mask)
    np.testing.assert_array_equal(coco_decode(text, mask.shape), mask)


@given(
    arrays.arrays(
        np.uint8, arrays.array_shapes(min_dims=2, max_dims=2, max_side=40), elements=st.integers(0, 1)
    )
)
def test_any_mask_is_encoded_as_by_pycocotools(mask: Mask) -> None:
    text = encode(mask)
    assert text.removeprefix("]0") == coco_encode(mask).removeprefix("=")
    np.testing.assert_array_equal(coco_decode(text, mask.shape), mask)


@given(st.lists(st.integers(1, 3000), min_size=1, max_size=60), st.integers(0, 1))
def test_any_run_lengths_are_encoded_as_by_pycocotools(runs: list[int], first: int) -> None:
    values = (np.arange(len(runs)) + first).astype(np.uint8) % 2
    mask = np.repeat(values, runs)[:, np.newaxis]
    text = encode(mask)
    assert text.removeprefix("]0") == coco_encode(mask).removeprefix("=")


def test_no_text_starts_like_a_spreadsheet_formula() -> None:
    formulas = [n for n in range(200) if coco_encode(column(n))[0] in "=+-@"]
    assert formulas == [13]
    assert not [n for n in range(200) if encode(column(n))[0] in "=+-@"]


def test_text_that_differs_from_pycocotools_decodes_to_the_same_mask() -> None:
    mask = column(13)
    assert (coco_encode(mask)[0], encode(mask)[:2]) == ("=", "]0")
    np.testing.assert_array_equal(coco_decode(encode(mask), mask.shape), mask)


@pytest.mark.parametrize("name", MASKS)
def test_text_needs_no_quotes_in_csv(name: str) -> None:
    text, line = encode(MASKS[name]), io.StringIO()
    csv.writer(line).writerow((text, 1))
    assert line.getvalue() == f"{text},1\r\n"
