from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxr.data.datasets.masks import draw_boxes
from cxr.data.datasets.shapes import Box


def test_a_box_covers_the_pixels_whose_centers_lie_inside() -> None:
    mask = draw_boxes([Box(2, 1, 3, 2, 8)], (8, 8))
    assert mask.dtype == np.uint8
    assert np.argwhere(mask).tolist() == [[1, 2], [1, 3], [1, 4], [2, 2], [2, 3], [2, 4]]


@pytest.mark.parametrize("side", [64, 256, 512, 1024, 2500])
def test_a_box_covers_the_same_fraction_of_the_image_at_every_size(side: int) -> None:
    mask = draw_boxes([Box(225.08, 547.02, 186.78, 79.19, 1024)], (side, side))
    assert mask.mean() == pytest.approx(186.78 * 79.19 / 1024**2, rel=4 / (79.19 * side / 1024))


def test_height_and_width_are_scaled_independently() -> None:
    mask = draw_boxes([Box(512, 256, 256, 512, 1024)], (20, 40))
    rows, columns = np.nonzero(mask)
    assert (rows.min(), rows.max() + 1, columns.min(), columns.max() + 1) == (5, 15, 20, 30)


@given(
    st.floats(0, 1023), st.floats(0, 1023), st.floats(0.01, 1500), st.floats(0.01, 1500), st.integers(1, 40)
)
def test_every_box_covers_at_least_one_pixel_inside_the_image(
    x: float, y: float, w: float, h: float, side: int
) -> None:
    mask = draw_boxes([Box(x, y, w, h, 1024)], (side, side))
    assert mask.shape == (side, side)
    assert mask.any()


def test_no_boxes_give_an_empty_mask() -> None:
    assert not draw_boxes([], (5, 7)).any()
