from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from skimage.measure import points_in_poly

from cxr.data.datasets.masks import draw_boxes
from cxr.data.datasets.polygons import draw_polygon, polygon_of
from cxr.data.datasets.shapes import Box, Polygon
from cxr.errors import InputError

Points = tuple[tuple[float, float], ...]


def fill(points: Points, shape: tuple[int, int], frame: tuple[int, int] | None = None) -> np.ndarray:
    mask = np.zeros(shape, np.uint8)
    draw_polygon(Polygon(points, frame), mask)
    return mask


def inside(points: Points, shape: tuple[int, int]) -> np.ndarray:
    """Test the center of each pixel with scikit-image."""
    rows, columns = np.indices(shape)
    centers = np.column_stack([columns.ravel() + 0.5, rows.ravel() + 0.5])
    return points_in_poly(centers, np.array(points)).reshape(shape)


@given(st.integers(0, 1 << 32), st.integers(3, 12))
def test_a_pixel_belongs_to_a_polygon_if_its_center_lies_inside(seed: int, count: int) -> None:
    points = tuple(map(tuple, np.random.default_rng(seed).uniform(-10, 30, (count, 2)).tolist()))
    expected = inside(points, (23, 17))
    assume(expected.any())
    np.testing.assert_array_equal(fill(points, (23, 17)), expected)


@given(st.integers(0, 30), st.integers(0, 30), st.integers(1, 30), st.integers(1, 30))
def test_a_polygon_around_a_box_covers_the_pixels_of_the_box(x: int, y: int, width: int, height: int) -> None:
    corners = ((x, y), (x + width, y), (x + width, y + height), (x, y + height))
    shape = (40, 40)
    frame = (32, 32)
    np.testing.assert_array_equal(
        fill(corners, shape, frame), draw_boxes([Box(x, y, width, height, 32)], shape)
    )


def test_polygons_that_share_an_edge_share_no_pixel_and_leave_none_out() -> None:
    left, right = ((0, 0), (4.5, 0), (2.5, 8), (0, 8)), ((4.5, 0), (8, 0), (8, 8), (2.5, 8))
    np.testing.assert_array_equal(fill(left, (8, 8)).astype(int) + fill(right, (8, 8)), np.ones((8, 8), int))


def test_a_polygon_scales_with_the_image_height_and_width_independently() -> None:
    mask = fill(((0, 0), (512, 0), (512, 256), (0, 256)), (20, 40), (1024, 1024))
    assert np.argwhere(mask).max(axis=0).tolist() == [4, 19]
    assert mask.sum() == 5 * 20


def test_a_polygon_that_crosses_itself_is_filled_by_the_even_odd_rule() -> None:
    pentagram = ((8, 1), (12.2, 13.8), (1.3, 5.9), (14.7, 5.9), (3.8, 13.8))
    mask = fill(pentagram, (16, 16))
    np.testing.assert_array_equal(mask, inside(pentagram, (16, 16)))
    assert mask[3, 7] == 1
    assert mask[8, 7] == 0  # wound twice
    bow_tie = ((0, 0), (6, 4), (6, 0), (0, 4))
    assert fill(bow_tie, (4, 6)).tolist() == [
        [1, 0, 0, 0, 0, 1],
        [1, 1, 0, 0, 1, 1],
        [1, 1, 0, 0, 1, 1],
        [1, 0, 0, 0, 0, 1],
    ]


def test_a_polygon_smaller_than_a_pixel_covers_the_pixel_where_it_lies() -> None:
    mask = fill(((3.6, 2.6), (3.9, 2.6), (3.9, 2.9)), (5, 7))
    assert np.argwhere(mask).tolist() == [[2, 3]]


def test_what_lies_outside_the_image_is_cut_off() -> None:
    mask = fill(((-5, -5), (3, -5), (3, 4), (-5, 4)), (6, 6))
    assert mask.sum() == 12
    assert mask[:4, :3].all()
    assert fill(((-50, -50), (90, -50), (90, 90), (-50, 90)), (6, 6)).all()


@pytest.mark.parametrize("shift", [(-20, 0), (0, -20), (8, 0), (0, 8)])
def test_a_polygon_outside_the_image_is_an_error_that_shows_where(shift: tuple[int, int]) -> None:
    points = tuple((x + shift[0], y + shift[1]) for x, y in ((0, 0), (5, 0), (5, 5)))
    with pytest.raises(InputError, match=r"lies outside the image of 8 x 8 pixels"):
        fill(points, (8, 8))


@pytest.mark.parametrize(
    ("points", "why"),
    [
        ([[0, 0], [1, 1]], "at least 3 points"),
        ("0 0 1 1", "at least 3 points"),
        ([[0, 0], [1, 1], [2]], r"is \[x, y\], two numbers, not \[2\]"),
        ([[0, 0], [1, 1], [2, "3"]], "two numbers"),
        ([[0, 0], [1, 1], [2, None]], "two numbers"),
        ([[0, 0], [1, 1], [2, float("nan")]], "two numbers"),
        ([[0, 0], [1, 1], [2, 10**400]], "two numbers"),
        ([[0, 0], [1, 1], [2, -1e308]], "two numbers"),
    ],
)
def test_what_is_no_polygon_is_an_error(points: object, why: str) -> None:
    with pytest.raises(InputError, match=why):
        polygon_of(points)
