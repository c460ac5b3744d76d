from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import f1_score, jaccard_score

from cxr.metrics.overlap import ImageScore, class_metrics, describe, score
from cxr.metrics.records import Interval

NAMES = {"key": "a.png", "patient_id": "p", "class_name": "lesion"}
MASKS = arrays(np.uint8, (7, 9), elements=st.integers(0, 1))


def scored(patient: str, truth: int, predicted: int, common: int, key: str = "a.png") -> ImageScore:
    return ImageScore(key, patient, "lesion", truth, predicted, common)


def random_scores(patients: int, images: int, seed: int = 0) -> list[ImageScore]:
    rng = np.random.default_rng(seed)
    quality = rng.integers(0, 100, patients)
    return [
        scored(f"p{person}", 100, 100, int(quality[person]), f"{person}-{number}.png")
        for person in range(patients)
        for number in range(images)
    ]


@given(MASKS, MASKS)
def test_scores_equal_those_of_scikit_learn(truth: np.ndarray, predicted: np.ndarray) -> None:
    result = score(truth, predicted, **NAMES)
    if not truth.any():
        assert math.isnan(result.dice)
        assert math.isnan(result.iou)
        return
    flat = truth.ravel(), predicted.ravel()
    assert result.dice == pytest.approx(f1_score(*flat, zero_division=0))
    assert result.iou == pytest.approx(jaccard_score(*flat, zero_division=0))


def test_masks_of_different_sizes_are_an_error() -> None:
    with pytest.raises(ValueError, match=r"a\.png differ in shape"):
        score(np.zeros((3, 4), np.uint8), np.zeros((4, 3), np.uint8), **NAMES)


def test_dice_is_the_mean_over_only_the_images_that_show_the_class() -> None:
    scores = [scored("a", 10, 10, 10), scored("b", 10, 10, 0), scored("c", 0, 0, 0), scored("d", 0, 5, 0)]
    result = class_metrics(scores)
    assert (result.positives, result.empties) == (2, 2)
    assert result.dice is not None
    assert result.dice.value == 0.5
    assert result.specificity is not None
    assert result.specificity.value == 0.5


@pytest.mark.parametrize(
    ("scores", "there"),
    [([], (False, False)), ([scored("a", 5, 5, 5)], (True, False)), ([scored("a", 0, 5, 0)], (False, True))],
)
def test_a_metric_over_no_images_is_none(scores: list[ImageScore], there: tuple[bool, bool]) -> None:
    result = class_metrics(scores)
    assert (result.dice is not None, result.specificity is not None) == there
    assert (result.iou is not None) == there[0]


def test_the_interval_is_close_to_the_normal_approximation() -> None:
    scores = random_scores(patients=400, images=1)
    values = np.array([item.dice for item in scores])
    interval = class_metrics(scores, resamples=4000).dice
    assert interval is not None
    half = 1.96 * values.std() / math.sqrt(len(values))
    assert interval.low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert interval.high == pytest.approx(values.mean() + half, abs=0.1 * half)


def test_more_images_of_the_same_patients_do_not_narrow_the_interval() -> None:
    once, often = (class_metrics(random_scores(40, images)).dice for images in (1, 9))
    assert once is not None
    assert often is not None
    assert (often.low, often.high) == pytest.approx((once.low, once.high))


def test_the_interval_of_one_patient_has_no_width() -> None:
    result = class_metrics([scored("a", 10, 10, 5), scored("a", 10, 10, 10)])
    assert result.dice == Interval(0.75, 0.75, 0.75)


def test_the_same_seed_gives_the_same_interval() -> None:
    scores = random_scores(20, 2)
    assert class_metrics(scores, seed=3) == class_metrics(scores, seed=3)
    assert class_metrics(scores, seed=3) != class_metrics(scores, seed=4)


def test_metrics_are_described_in_one_line() -> None:
    text = describe(class_metrics([scored("a", 10, 10, 10), scored("b", 0, 0, 0)]))
    assert text == (
        "Dice 1.000 (1.000 to 1.000), IoU 1.000 (1.000 to 1.000) on 1 images; "
        "specificity 1.000 (1.000 to 1.000) on 1 without it"
    )
