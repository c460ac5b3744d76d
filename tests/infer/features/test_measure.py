"""`measure` equals scikit-image on every mask."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cxr.infer.features import measure
from cxr.infer.features.components import components
from cxr.infer.features.measuring import MAX_SIDE
from cxr.infer.features.moments import first_moments, second_moments

Mask = npt.NDArray[np.uint8]
Compare = Callable[..., None]
CONNECTIVITIES = (4, 8)
HEIGHT, WIDTH = 70, 131
ROWS, COLUMNS = np.mgrid[:HEIGHT, :WIDTH]


def spiral(turns: int) -> Mask:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    for turn in range(turns):
        near, far = 4 * turn, 4 * turn + 2
        mask[near, max(near - 4, 0) : WIDTH - near] = 1
        mask[near : HEIGHT - near, WIDTH - 1 - near] = 1
        mask[HEIGHT - 1 - near, near : WIDTH - near] = 1
        mask[far + 2 : HEIGHT - near, near] = 1
    return mask


def rings(step: int) -> Mask:
    edge = np.minimum.reduce([ROWS, COLUMNS, HEIGHT - 1 - ROWS, WIDTH - 1 - COLUMNS])
    return np.asarray(edge % step == 0, np.uint8)


def blobs(count: int, seed: int) -> Mask:
    rng = np.random.default_rng(seed)
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    for _ in range(count):
        center = (int(rng.integers(WIDTH)), int(rng.integers(HEIGHT)))
        axes = (int(rng.integers(1, 25)), int(rng.integers(1, 12)))
        cv2.ellipse(mask, center, axes, float(rng.integers(180)), 0, 360, 1, -1)
    return mask


PATTERNS: dict[str, Mask] = {
    "empty": np.zeros((HEIGHT, WIDTH), np.uint8),
    "full": np.ones((HEIGHT, WIDTH), np.uint8),
    "checkerboard": ((ROWS + COLUMNS) % 2).astype(np.uint8),
    "coarse checkerboard": ((ROWS // 3 + COLUMNS // 3) % 2).astype(np.uint8),
    "upright lines": (COLUMNS % 2).astype(np.uint8),
    "lying lines": (ROWS % 2).astype(np.uint8),
    "falling lines": ((COLUMNS - ROWS) % 3 == 0).astype(np.uint8),
    "rising lines": ((COLUMNS + ROWS) % 4 < 2).astype(np.uint8),
    "dots": ((ROWS % 2 == 0) & (COLUMNS % 2 == 0)).astype(np.uint8),
    "spiral": spiral(6),
    "nested rings": rings(2),
    "thick nested rings": rings(5),
    "few blobs": blobs(4, 1),
    "many blobs": blobs(40, 2),
    "comb": ((ROWS == HEIGHT - 1) | (COLUMNS % 2 == 0)).astype(np.uint8),
}


@st.composite
def noise(draw: st.DrawFn) -> Mask:
    height, width = draw(st.integers(1, 70)), draw(st.integers(1, 70))
    density = draw(st.sampled_from([0.02, 0.1, 0.3, 0.5, 0.6, 0.8, 0.95, 1.0]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    return (rng.random((height, width)) < density).astype(np.uint8)


@st.composite
def stretched(draw: st.DrawFn) -> Mask:
    """Give a small mask with rows and columns repeated: bands of equal rows, and runs across words."""
    small = draw(
        hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=6), elements=st.integers(0, 1))
    )
    tall = draw(st.lists(st.integers(1, 9), min_size=small.shape[0], max_size=small.shape[0]))
    wide = draw(st.lists(st.integers(1, 70), min_size=small.shape[1], max_size=small.shape[1]))
    return np.repeat(np.repeat(small, tall, axis=0), wide, axis=1)


small_masks = hnp.arrays(
    np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.integers(0, 1)
)


def random_map(shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    return np.random.default_rng(len(shape) + sum(shape)).random(shape, dtype=np.float32)


@pytest.mark.parametrize("connectivity", CONNECTIVITIES)
@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_is_measured_as_by_scikit_image(pattern: str, connectivity: int, compare: Compare) -> None:
    mask = PATTERNS[pattern]
    compare(mask, random_map(mask.shape), connectivity=connectivity)


@pytest.mark.parametrize("connectivity", CONNECTIVITIES)
def test_every_mask_of_three_by_three_is_measured_as_by_scikit_image(
    connectivity: int, compare: Compare
) -> None:
    for bits in itertools.product((0, 1), repeat=9):
        compare(np.array(bits, np.uint8).reshape(3, 3), connectivity=connectivity)


@settings(max_examples=80, deadline=None)
@given(mask=st.one_of(small_masks, noise(), stretched()), connectivity=st.sampled_from(CONNECTIVITIES))
def test_any_mask_is_measured_as_by_scikit_image(mask: Mask, connectivity: int, compare: Compare) -> None:
    compare(mask, random_map(mask.shape), connectivity=connectivity)


@pytest.mark.parametrize("width", [1, 2, 7, 8, 9, 63, 64, 65, 127, 128, 129, 191, 193])
@pytest.mark.parametrize("height", [1, 2, 5])
def test_no_width_is_special(height: int, width: int, compare: Compare) -> None:
    rng = np.random.default_rng(width)
    for density in (0.5, 0.9, 1.0):
        compare((rng.random((height, width)) < density).astype(np.uint8))


@pytest.mark.parametrize("height", range(1, 13))
def test_no_number_of_equal_rows_is_special(height: int, compare: Compare) -> None:
    rows = np.array([[1, 0, 1, 1, 0, 1], [0, 1, 1, 1, 1, 0], [1, 1, 0, 0, 1, 1]], np.uint8)
    for connectivity in CONNECTIVITIES:
        compare(np.repeat(rows, (2, height, 1), axis=0), connectivity=connectivity)


@pytest.mark.parametrize(("density", "connectivity"), [(0.5, 8), (0.1, 8), (0.65, 4)])
def test_a_large_noisy_mask_is_measured_as_by_scikit_image(
    density: float, connectivity: int, compare: Compare
) -> None:
    mask = np.random.default_rng(3).random((300, 1000)) < density
    compare(mask, random_map(mask.shape), connectivity=connectivity)


@pytest.mark.parametrize("connectivity", CONNECTIVITIES)
@pytest.mark.parametrize("density", [0.1, 0.5, 0.9])
def test_opencv_finds_the_same_areas_boxes_and_centroids(density: float, connectivity: int) -> None:
    mask = (np.random.default_rng(4).random((400, 777)) < density).astype(np.uint8)
    _, _, stats, centroids = cv2.connectedComponentsWithStats(mask, connectivity=connectivity)
    left, top, width, height, area = stats[1:].T
    theirs = np.column_stack([area, top, left, top + height, left + width, *centroids[1:, ::-1].T])
    boxes, places = components(mask, diagonal=connectivity == 8)
    ours = np.column_stack([boxes, places])
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(in_order(ours), in_order(theirs), rtol=1e-9)
    table = measure(mask, connectivity=connectivity)
    names = ["area", *(f"bbox_{i}" for i in range(4)), "centroid_0", "centroid_1"]
    np.testing.assert_array_equal(np.column_stack([table[name] for name in names]), ours)


def in_order(rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return rows[np.lexsort(rows.round(6).T)]


def test_a_single_pixel_has_no_extent_and_scikit_images_orientation() -> None:
    (row,) = measure(np.ones((1, 1), bool))
    assert (
        row["perimeter"] == row["eccentricity"] == row["axis_major_length"] == row["axis_minor_length"] == 0
    )
    assert row["orientation"] == -math.pi / 4


@pytest.mark.parametrize("shape", [(3, 40_000), (40_000, 3)])
def test_the_longest_rectangle_is_exact(shape: tuple[int, int]) -> None:
    (row,) = measure(np.ones(shape, bool))
    lengths = [4 * math.sqrt((side**2 - 1) / 12) for side in sorted(shape)]
    assert row["axis_minor_length"] == pytest.approx(lengths[0], rel=1e-14)
    assert row["axis_major_length"] == pytest.approx(lengths[1], rel=1e-14)
    assert (row["centroid_0"], row["centroid_1"]) == ((shape[0] - 1) / 2, (shape[1] - 1) / 2)


def test_sums_over_the_largest_image_fit() -> None:
    """Two pillars as far apart as can be, joined by one row: the sums are compared with Python's integers."""
    side, pillar = MAX_SIDE, MAX_SIDE // 4
    starts, ends = (
        np.array([0, 0, side - pillar], np.int32),
        np.array([side - 1, pillar - 1, side - 1], np.int32),
    )
    first, tops, labels = np.array([0, 1, 3]), np.array([0, 1, side]), np.zeros(3, np.int32)
    boxes, sums, moments = np.empty((1, 5), np.int32), np.empty((1, 2), np.int64), np.empty((1, 5), np.int64)
    first_moments(starts, ends, first, tops, labels, boxes, sums)
    second_moments(starts, ends, first, tops, labels, boxes, sums, moments)
    middle = [int(value) for value in moments[0, 3:]]
    down = [row - middle[0] for row in range(side)]
    across = [column - middle[1] for column in range(side)]
    pillars = across[:pillar] + across[side - pillar :]
    rows = side * down[0] ** 2 + 2 * pillar * sum(d * d for d in down[1:])
    columns = sum(a * a for a in across) + (side - 1) * sum(a * a for a in pillars)
    mixed = down[0] * sum(across) + sum(down[1:]) * sum(pillars)
    assert moments[0, :3].tolist() == [12 * rows, 12 * columns, 12 * mixed]
    assert boxes[0].tolist() == [side + 2 * pillar * (side - 1), 0, 0, side, side]
