from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from cxr.data.decode.reader import read_mask
from cxr.errors import InputError

Pixels = npt.NDArray[Any]

SHAPE = (60, 90)
GRAY = np.random.default_rng(0).integers(0, 256, SHAPE, dtype=np.uint8)
INSIDE = (GRAY > 100).astype(np.uint8)


@pytest.mark.parametrize(
    "pixels",
    [
        INSIDE,
        INSIDE * 255,
        INSIDE * 7,
        INSIDE.astype(np.uint16),
        INSIDE.astype(bool),
        np.dstack([INSIDE * 255] * 3),
    ],
    ids=["0 and 1", "0 and 255", "0 and 7", "16 bits, 0 and 1", "1 bit", "color"],
)
def test_a_mask_has_0_and_one_other_value(
    pixels: Pixels, tmp_path: Path, save_png: Callable[[Path, Pixels], Path]
) -> None:
    mask = read_mask(save_png(tmp_path / "mask.png", pixels), SHAPE)
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, INSIDE)


@pytest.mark.parametrize("value", [0, 255])
def test_an_empty_and_a_full_mask_are_read(
    value: int, tmp_path: Path, save_png: Callable[[Path, Pixels], Path]
) -> None:
    path = save_png(tmp_path / "mask.png", np.full(SHAPE, value, np.uint8))
    assert (read_mask(path, SHAPE) == (value > 0)).all()


@pytest.mark.parametrize(
    ("pixels", "why"), [(GRAY, "one other value"), (INSIDE[1:], "90 x 59 pixels, its image 90 x 60")]
)
def test_an_invalid_mask_is_rejected(
    pixels: Pixels, why: str, tmp_path: Path, save_png: Callable[[Path, Pixels], Path]
) -> None:
    with pytest.raises(InputError, match=why):
        read_mask(save_png(tmp_path / "mask.png", pixels), SHAPE)


def test_a_missing_mask_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.png: this mask cannot be read: .*No such file"):
        read_mask(tmp_path / "gone.png", SHAPE)
