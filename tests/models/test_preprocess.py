from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxr.models.card import PixelSpec, ResizeRule
from cxr.models.preprocess import compute_placement, prepare, prepare_mask, restore_size

SIDE = st.integers(1, 300)
SIZES = st.tuples(SIDE, SIDE)
SPECS = st.builds(
    PixelSpec, st.integers(8, 96), st.integers(8, 96), st.sampled_from(ResizeRule), st.integers(0, 255)
)


def noise(shape: tuple[int, int], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def disc(shape: tuple[int, int]) -> np.ndarray:
    mask = np.zeros(shape, np.uint8)
    cv2.circle(mask, (shape[1] // 2, shape[0] // 3), min(shape) // 4, 1, -1)
    return mask


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * float((a & b).sum()) / float(a.sum() + b.sum())


@given(SIZES, SPECS)
def test_every_image_is_resized_to_the_models_size(size: tuple[int, int], spec: PixelSpec) -> None:
    pixels, placement = prepare(noise(size), spec)
    assert pixels.shape == (spec.height, spec.width)
    assert pixels.dtype == np.uint8
    assert (placement.height, placement.width) == size


@given(SIZES, SPECS)
def test_restored_map_has_the_images_size(size: tuple[int, int], spec: PixelSpec) -> None:
    _, placement = prepare(noise(size), spec)
    back = restore_size(np.full((spec.height, spec.width), 0.25, np.float32), placement)
    assert back.shape == size
    assert back.dtype == np.float32
    np.testing.assert_allclose(back, 0.25, rtol=1e-6)


@given(SIZES, SPECS)
def test_image_is_centered_in_the_input(size: tuple[int, int], spec: PixelSpec) -> None:
    where = compute_placement(*size, spec)
    below = spec.height - where.top - where.inner_height
    right = spec.width - where.left - where.inner_width
    assert min(where.top, where.left, below, right) >= 0
    assert abs(where.top - below) <= 1
    assert abs(where.left - right) <= 1


@given(SIZES, SPECS)
def test_padding_keeps_the_aspect_ratio_to_one_pixel(size: tuple[int, int], spec: PixelSpec) -> None:
    spec = PixelSpec(spec.height, spec.width, ResizeRule.PAD)
    where = compute_placement(*size, spec)
    scale = min(spec.height / size[0], spec.width / size[1])
    assert abs(where.inner_height - max(1, size[0] * scale)) <= 0.5 + 1e-9
    assert abs(where.inner_width - max(1, size[1] * scale)) <= 0.5 + 1e-9
    assert where.inner_height == spec.height or where.inner_width == spec.width


def test_padding_has_the_value_in_the_card() -> None:
    pixels, where = prepare(noise((20, 40)), PixelSpec(32, 32, pad_value=7))
    assert (where.top, where.inner_height) == (8, 16)
    assert (pixels[:8] == 7).all()
    assert (pixels[24:] == 7).all()
    assert not (pixels[8:24] == 7).all()


@pytest.mark.parametrize("rule", ResizeRule)
def test_image_of_the_models_size_is_unchanged(rule: ResizeRule) -> None:
    image = noise((48, 64))
    pixels, _ = prepare(image, PixelSpec(48, 64, rule))
    np.testing.assert_array_equal(pixels, image)


@given(st.integers(1, 200), st.integers(8, 64))
def test_both_rules_agree_on_a_square_image_in_a_square_input(side: int, size: int) -> None:
    image = noise((side, side))
    stretched, one = prepare(image, PixelSpec(size, size, ResizeRule.STRETCH))
    padded, other = prepare(image, PixelSpec(size, size, ResizeRule.PAD))
    np.testing.assert_array_equal(stretched, padded)
    assert one == other


def test_shrinking_averages_pixels() -> None:
    stripes = np.tile(np.array([0, 200], np.uint8), (64, 32))
    pixels, _ = prepare(stripes, PixelSpec(32, 32))
    assert (pixels == 100).all()


@given(SIZES, SPECS)
def test_masks_are_placed_like_images(size: tuple[int, int], spec: PixelSpec) -> None:
    mask = (noise(size) > 128).astype(np.uint8)
    as_image, _ = prepare(mask * 255, PixelSpec(spec.height, spec.width, spec.resize, 0))
    np.testing.assert_array_equal(prepare_mask(mask, spec), as_image >= 128)


@pytest.mark.parametrize("value", [1, 255])
def test_any_value_but_zero_is_inside_a_mask(value: int) -> None:
    mask = disc((100, 80))
    np.testing.assert_array_equal(
        prepare_mask(mask * np.uint8(value), PixelSpec(64, 64)), prepare_mask(mask, PixelSpec(64, 64))
    )


@pytest.mark.parametrize("rule", ResizeRule)
@pytest.mark.parametrize("size", [(100, 100), (200, 150), (150, 400), (512, 300)])
def test_mask_survives_the_round_trip_in_place(size: tuple[int, int], rule: ResizeRule) -> None:
    spec, mask = PixelSpec(128, 128, rule), disc(size)
    back = restore_size(prepare_mask(mask, spec).astype(np.float32), compute_placement(*size, spec)) >= 0.5
    assert dice(back.astype(np.uint8), mask) > 0.96


def test_input_image_is_not_modified() -> None:
    image = noise((48, 64))
    kept = image.copy()
    pixels, _ = prepare(image, PixelSpec(48, 64))
    pixels[:] = 0
    np.testing.assert_array_equal(image, kept)
