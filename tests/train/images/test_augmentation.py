from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.transform import AffineTransform, warp

from cxr.train.images.augmentation import (
    STANDARD,
    Strength,
    augment,
    change_appearance,
    random_affine,
    random_lookup,
    warp_image,
    warp_masks,
)
from cxr.train.images.dataset import IGNORE

SEEDS = st.integers(0, 2**32 - 1)
GEOMETRY_ONLY = Strength(
    invert=0, curve=0, gamma=0, contrast=0, equalize=0, field=0, blur=0, noise=0, cutouts=0
)
CONTENT = np.random.default_rng(0).integers(0, 256, (64, 80), dtype=np.uint8)


def draw_ellipse() -> np.ndarray:
    """A mask whose area and border are the same for an image and its mask."""
    return np.asarray(
        cv2.ellipse(np.zeros((96, 96), np.uint8), (40, 50), (22, 30), 20, 0, 360, (1,), -1), np.uint8
    )


@given(SEEDS)
def test_masks_move_with_the_image(seed: int) -> None:
    mask = draw_ellipse()
    black_border = next(rng_seed for rng_seed in range(seed, seed + 50) if _border_is_black(mask, rng_seed))
    moved, masks = augment(mask * 255, mask[None], np.random.default_rng(black_border), GEOMETRY_ONLY)
    np.testing.assert_array_equal(moved >= 128, masks[0] == 1)


def _border_is_black(mask: np.ndarray, seed: int) -> bool:
    """Whether the border that this seed draws cannot be taken for the mask."""
    moved, _ = augment(np.zeros_like(mask), mask[None], np.random.default_rng(seed), GEOMETRY_ONLY)
    return int(moved.max()) < 128


@given(SEEDS)
def test_warp_is_the_affine_map_of_scikit_image(seed: int) -> None:
    matrix = random_affine(*CONTENT.shape, np.random.default_rng(seed), Strength())
    forward = AffineTransform(matrix=np.vstack([matrix, [0, 0, 1]]))
    expected = warp(CONTENT.astype(np.float64), forward.inverse, order=1, preserve_range=True)
    # Away from the border, where the two libraries mix in the outside in their own ways.
    inside = warp(np.ones(CONTENT.shape), forward.inverse, order=1) == 1
    inside = cv2.erode(inside.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    difference = np.abs(warp_image(CONTENT, matrix, 0).astype(float) - expected)
    # OpenCV rounds positions to 1/32 of a pixel.
    assert difference[inside].max(initial=0) < 2 * 255 / 32 + 1


@given(SEEDS)
def test_geometry_stays_within_its_limits(seed: int) -> None:
    strength = Strength()
    matrix = random_affine(100, 100, np.random.default_rng(seed), strength)
    linear = matrix[:, :2]
    low, high = strength.scale
    assert low**2 - 1e-9 <= abs(np.linalg.det(linear)) <= high**2 + 1e-9
    assert abs(np.rad2deg(np.arctan2(linear[0, 1], linear[1, 1]))) <= strength.rotation + 1e-9
    columns = np.linalg.norm(linear, axis=0)
    assert columns.max() / columns.min() <= strength.aspect + 1e-9
    center = np.array([49.5, 49.5])
    assert np.abs(matrix @ [*center, 1] - center).max() <= 100 * strength.shift + 1e-9


@given(SEEDS)
def test_without_geometry_nothing_moves(seed: int) -> None:
    still = Strength(rotation=0, scale=(1, 1), aspect=1, shift=0, flip=0)
    matrix = random_affine(64, 80, np.random.default_rng(seed), still)
    np.testing.assert_allclose(matrix, [[1, 0, 0], [0, 1, 0]], atol=1e-12)


@given(SEEDS)
def test_gray_curves_are_monotone(seed: int) -> None:
    steps = np.diff(random_lookup(np.random.default_rng(seed), Strength()).astype(int))
    assert (steps >= 0).all() or (steps <= 0).all()


@pytest.mark.parametrize(("invert", "sign"), [(0, 1), (1, -1)])
def test_inversion_reverses_the_gray_scale(invert: float, sign: int) -> None:
    lookup = random_lookup(np.random.default_rng(0), replace(GEOMETRY_ONLY, invert=invert)).astype(int)
    np.testing.assert_array_equal(lookup[::sign], np.arange(256))


@given(SEEDS)
def test_standard_changes_are_small(seed: int) -> None:
    _, masks = augment(CONTENT, np.ones((1, *CONTENT.shape), np.uint8), np.random.default_rng(seed), STANDARD)
    table = random_lookup(np.random.default_rng(seed), STANDARD).astype(int)
    assert (np.diff(table) >= 0).all()
    assert np.abs(table - np.arange(256)).max() < 90
    assert masks.mean() > 0.75


def test_about_one_image_in_twenty_is_inverted() -> None:
    rng = np.random.default_rng(0)
    lookups = [random_lookup(rng, Strength()).astype(int) for _ in range(2000)]
    assert 0.03 < np.mean([table[-1] < table[0] for table in lookups]) < 0.07


@given(SEEDS)
def test_same_seed_gives_the_same_image(seed: int) -> None:
    mask = np.zeros((1, *CONTENT.shape), np.uint8)
    first, second = (augment(CONTENT, mask, np.random.default_rng(seed)) for _ in range(2))
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])


@given(SEEDS)
def test_input_arrays_are_not_changed(seed: int) -> None:
    pixels, masks = CONTENT.copy(), np.ones((1, *CONTENT.shape), np.uint8)
    augment(pixels, masks, np.random.default_rng(seed))
    np.testing.assert_array_equal(pixels, CONTENT)
    assert masks.all()


@given(SEEDS)
def test_unknown_class_stays_unknown_everywhere(seed: int) -> None:
    masks = np.stack([np.full(CONTENT.shape, IGNORE, np.uint8), np.ones(CONTENT.shape, np.uint8)])
    _, moved = augment(CONTENT, masks, np.random.default_rng(seed))
    assert (moved[0] == IGNORE).all()
    assert set(np.unique(moved[1])) <= {0, 1}


def test_unknown_region_moves_with_the_image() -> None:
    masks = np.zeros((1, 64, 80), np.uint8)
    masks[0, 10:20, 30:50] = IGNORE
    moved = warp_masks(masks, np.array([[1.0, 0, 5], [0, 1, 7]]))
    assert (moved[0, 17:27, 35:55] == IGNORE).all()
    assert np.count_nonzero(moved) == 10 * 20


@given(SEEDS)
def test_appearance_keeps_shape_and_type(seed: int) -> None:
    everything = Strength(curve=1, gamma=1, contrast=1, equalize=1, field=1, blur=1, noise=1)
    changed = change_appearance(CONTENT, np.random.default_rng(seed), everything)
    assert changed.shape == CONTENT.shape
    assert changed.dtype == np.uint8
    assert (changed != CONTENT).any()
