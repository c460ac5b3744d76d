"""A model is uncertain where its probabilities are near one half, or where the mirrored image differs."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cxr.data.datasets.records import Record
from cxr.models.card import ModelCard, Normalization, PixelSpec
from cxr.models.checks.uncertainty import mirror_uncertainty, uncertainty
from cxr.models.checks.uncertainty_reference import (
    FEWEST_IMAGES,
    FEWEST_POOR,
    choose_cutoff,
    fit_uncertainty,
)

HALF = np.array([0.5], np.float32)
TWO = np.array([0.5, 0.3], np.float32)

maps_of_two_classes = arrays(np.float32, (2, 9, 7), elements=st.floats(0, 1, width=32))


def disk(radius: int, blur: float, size: int = 96) -> np.ndarray:
    """Return the map of a model that finds a disk, with an edge that is more or less sharp."""
    mask = np.zeros((size, size), np.uint8)
    cv2.circle(mask, (size // 2, size // 2), radius, 1, -1)
    return cv2.GaussianBlur(mask.astype(np.float32), (0, 0), blur)[None]


@given(maps_of_two_classes)
def test_uncertainty_is_a_number_from_0_to_1(maps: np.ndarray) -> None:
    assert 0 <= uncertainty(maps, TWO) <= 1


@given(maps_of_two_classes)
def test_uncertainty_is_that_of_the_most_uncertain_class(maps: np.ndarray) -> None:
    of_each = [uncertainty(maps[[index]], TWO[[index]]) for index in range(2)]
    assert uncertainty(maps, TWO) == max(of_each)


@given(maps_of_two_classes)
def test_uncertainty_is_wrong_pixels_by_the_geometric_mean_of_the_areas(maps: np.ndarray) -> None:
    probability = maps[0].astype(np.float64)
    wrong = np.minimum(probability, 1 - probability).sum()
    mean = np.sqrt(((probability >= 0.5).sum() + wrong) * probability.size)
    assert uncertainty(maps[:1], HALF) == pytest.approx(wrong / mean if wrong else 0, abs=2e-3)


@given(maps_of_two_classes)
def test_certain_maps_have_no_uncertainty(maps: np.ndarray) -> None:
    assert uncertainty((maps >= 0.5).astype(np.float32), TWO) == 0


def test_mask_with_a_less_sharp_edge_is_more_uncertain() -> None:
    values = [uncertainty(disk(25, blur), HALF) for blur in (0.5, 1, 2, 4, 8)]
    assert values == sorted(values)
    assert values[-1] > 3 * values[0]


def test_uncertainty_does_not_depend_on_the_resolution() -> None:
    small, large = uncertainty(disk(25, 2), HALF), uncertainty(disk(50, 4, 192), HALF)
    assert small == pytest.approx(large, rel=0.05)


def test_small_lungs_are_not_more_uncertain_than_large_ones_with_the_same_edge() -> None:
    assert uncertainty(disk(15, 2), HALF) == pytest.approx(uncertainty(disk(30, 2), HALF), rel=0.1)


def test_image_on_which_surely_nothing_was_found_is_certain() -> None:
    assert uncertainty(np.full((1, 64, 64), 1e-4, np.float32), HALF) < 0.02


@given(maps_of_two_classes, maps_of_two_classes)
def test_mirror_uncertainty_is_one_minus_dice(maps: np.ndarray, mirrored: np.ndarray) -> None:
    one, other = (array >= TWO[:, None, None] for array in (maps, mirrored))
    total = one.sum() + other.sum()
    expected = 1 - 2 * (one & other).sum() / total if total else 0
    assert mirror_uncertainty(maps, mirrored, TWO) == pytest.approx(expected, abs=1e-6)


def test_cutoff_is_exceeded_by_one_good_mask_in_twenty() -> None:
    rng = np.random.default_rng(0)
    dice = np.concatenate([rng.uniform(0.91, 0.99, 400), rng.uniform(0.3, 0.89, 40)])
    uncertain = np.concatenate([rng.normal(0.03, 0.005, 400), rng.normal(0.05, 0.01, 40)])
    reference = choose_cutoff(uncertain, dice)
    assert reference is not None
    assert (reference.images, reference.poor, reference.dice) == (440, 40, 0.9)
    assert reference.false_alarms == 0.05
    above = uncertain[400:, None] > uncertain[None, :400]
    assert reference.auc == pytest.approx(above.mean(), abs=1e-4)
    assert reference.caught == pytest.approx((uncertain[400:] >= reference.cutoff).mean(), abs=1e-4)


@pytest.mark.parametrize("poor", [0, FEWEST_POOR - 1])
def test_too_few_poor_masks_give_no_cutoff(poor: int) -> None:
    dice = np.concatenate([np.full(100, 0.95), np.full(poor, 0.5)])
    assert choose_cutoff(np.linspace(0, 1, len(dice)), dice) is None


CARD = ModelCard(
    name="toy",
    classes=("lung",),
    architecture="unet",
    encoder="resnet18",
    pixels=PixelSpec(32, 32),
    normalization=Normalization(0.449, 0.226),
    thresholds=(0.5,),
    license="CC0",
)


def write_records(folder: Path, *, good: int, poor: int, empty: int) -> list[Record]:
    """Write images that are their own probability maps, sharp where the mask is right, with drawn masks."""
    records = []
    for number in range(good + poor + empty):
        is_good, is_empty = number < good, number >= good + poor
        probability = np.full((32, 32), 0 if is_good else 100, np.uint8)
        probability[0, 0] += 1  # an image of one gray value is rejected
        truth = np.zeros((32, 32), np.uint8)
        if not is_empty:
            truth[4:20, 4:20] = 255
            probability[4 : 20 if is_good else 8, 4:20] = 255 - number
        image, mask = folder / f"{number}.png", folder / f"mask-{number}.png"
        cv2.imwrite(str(image), probability)
        cv2.imwrite(str(mask), truth)
        records.append(Record(image.name, image, f"p{number}", {"lung": mask}))
    return records


def own_pixels(batch: np.ndarray) -> np.ndarray:
    return batch.astype(np.float32) / 255


def test_image_with_an_empty_drawn_mask_has_no_part_in_the_cutoff(tmp_path: Path) -> None:
    records = write_records(tmp_path, good=40, poor=4, empty=6)
    reference = fit_uncertainty(own_pixels, records, CARD)
    assert reference is not None
    assert (reference.images, reference.poor, reference.caught) == (44, 4, 1)
    assert reference == fit_uncertainty(own_pixels, records[:44], CARD)


def test_empty_masks_do_not_count_as_images_to_fit_on(tmp_path: Path) -> None:
    poor = FEWEST_POOR + 1
    records = write_records(tmp_path, good=FEWEST_IMAGES - poor - 1, poor=poor, empty=6)
    assert fit_uncertainty(own_pixels, records, CARD) is None
