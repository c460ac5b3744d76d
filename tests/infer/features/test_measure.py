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
from cxr.infer.features.components import find_components
from cxr.infer.features.measurement import MAX_SIDE
from cxr.infer.features.moments import SUMS_DTYPE, sum_first_moments, sum_second_moments

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


def ellipses(count: int, seed: int) -> Mask:
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
    "vertical lines": (COLUMNS % 2).astype(np.uint8),
    "horizontal lines": (ROWS % 2).astype(np.uint8),
    "falling lines": ((COLUMNS - ROWS) % 3 == 0).astype(np.uint8),
    "rising lines": ((COLUMNS + ROWS) % 4 < 2).astype(np.uint8),
    "dots": ((ROWS % 2 == 0) & (COLUMNS % 2 == 0)).astype(np.uint8),
    "spiral": spiral(6),
    "nested rings": rings(2),
    "thick nested rings": rings(5),
    "few ellipses": ellipses(4, 1),
    "many ellipses": ellipses(40, 2),
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
    """Draw a small mask with repeated rows and columns: bands of equal rows, and runs that span words."""
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
def test_pattern_is_measured_as_by_scikit_image(pattern: str, connectivity: int, compare: Compare) -> None:
    mask = PATTERNS[pattern]
    compare(mask, random_map(mask.shape), connectivity=connectivity)


@pytest.mark.parametrize("connectivity", CONNECTIVITIES)
def test_every_3_by_3_mask_is_measured_as_by_scikit_image(connectivity: int, compare: Compare) -> None:
    for bits in itertools.product((0, 1), repeat=9):
        compare(np.array(bits, np.uint8).reshape(3, 3), connectivity=connectivity)


@settings(max_examples=80, deadline=None)
@given(mask=st.one_of(small_masks, noise(), stretched()), connectivity=st.sampled_from(CONNECTIVITIES))
def test_any_mask_is_measured_as_by_scikit_image(mask: Mask, connectivity: int, compare: Compare) -> None:
    compare(mask, random_map(mask.shape), connectivity=connectivity)


@pytest.mark.parametrize("width", [1, 2, 7, 8, 9, 63, 64, 65, 127, 128, 129, 191, 193])
@pytest.mark.parametrize("height", [1, 2, 5])
def test_masks_of_any_width_are_measured_as_by_scikit_image(
    height: int, width: int, compare: Compare
) -> None:
    rng = np.random.default_rng(width)
    for density in (0.5, 0.9, 1.0):
        compare((rng.random((height, width)) < density).astype(np.uint8))


@pytest.mark.parametrize("height", range(1, 13))
def test_any_number_of_equal_rows_is_measured_as_by_scikit_image(height: int, compare: Compare) -> None:
    rows = np.array([[1, 0, 1, 1, 0, 1], [0, 1, 1, 1, 1, 0], [1, 1, 0, 0, 1, 1]], np.uint8)
    for connectivity in CONNECTIVITIES:
        compare(np.repeat(rows, (2, height, 1), axis=0), connectivity=connectivity)


@pytest.mark.parametrize(("density", "connectivity"), [(0.5, 8), (0.1, 8), (0.65, 4)])
def test_large_noisy_mask_is_measured_as_by_scikit_image(
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
    components = measure(mask, connectivity=connectivity)
    names = ["area", *(f"bbox_{i}" for i in range(4)), "centroid_0", "centroid_1"]
    ours = np.column_stack([components[name] for name in names])
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(sort_rows(ours), sort_rows(theirs), rtol=1e-9)


def sort_rows(rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return rows[np.lexsort(rows.round(6).T)]


def test_single_pixel_has_axes_of_length_zero_and_the_orientation_of_scikit_image() -> None:
    (component,) = measure(np.ones((1, 1), bool))
    assert (
        component["perimeter"]
        == component["eccentricity"]
        == component["axis_major_length"]
        == component["axis_minor_length"]
        == 0
    )
    assert component["orientation"] == -math.pi / 4


@pytest.mark.parametrize("shape", [(3, 40_000), (40_000, 3)])
def test_longest_rectangle_is_measured_exactly(shape: tuple[int, int]) -> None:
    (component,) = measure(np.ones(shape, bool))
    lengths = [4 * math.sqrt((side**2 - 1) / 12) for side in sorted(shape)]
    assert component["axis_minor_length"] == pytest.approx(lengths[0], rel=1e-14)
    assert component["axis_major_length"] == pytest.approx(lengths[1], rel=1e-14)
    assert (component["centroid_0"], component["centroid_1"]) == ((shape[0] - 1) / 2, (shape[1] - 1) / 2)


def test_sums_over_the_largest_mask_do_not_overflow() -> None:
    """Two pillars as far apart as possible, joined by one row; the reference is Python's integers.

    The mask itself would be 1.6 GB, so the kernels get its runs.
    """
    side, pillar = MAX_SIDE, MAX_SIDE // 4
    small = np.array([[1, 1, 1, 1], [1, 0, 0, 1]], np.uint8)
    found = find_components(small, eight_connected=True)
    bands, runs = found.bands.copy(), found.runs.copy()
    bands["top"] = [0, 1, side]
    runs["start"], runs["end"] = [0, 0, side - pillar], [side - 1, pillar - 1, side - 1]
    sums = np.empty(1, SUMS_DTYPE)
    sum_first_moments(bands, runs, found.labels, sums)
    sum_second_moments(bands, runs, found.labels, sums)
    center_row, center_column = int(sums["center_row"][0]), int(sums["center_column"][0])
    down = [row - center_row for row in range(side)]
    across = [column - center_column for column in range(side)]
    pillars = across[:pillar] + across[side - pillar :]
    rows = side * down[0] ** 2 + 2 * pillar * sum(d * d for d in down[1:])
    columns = sum(a * a for a in across) + (side - 1) * sum(a * a for a in pillars)
    products = down[0] * sum(across) + sum(down[1:]) * sum(pillars)
    fields = ["row_row", "column_column", "row_column"]
    assert sums[fields][0].tolist() == (12 * rows, 12 * columns, 12 * products)
    box = ["area", "top", "left", "bottom", "right"]
    assert sums[box][0].tolist() == (side + 2 * pillar * (side - 1), 0, 0, side, side)
