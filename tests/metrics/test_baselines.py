from __future__ import annotations

import numpy as np
import pytest

from cxr.metrics.baselines import BaselineScore, compare_with_baselines
from cxr.metrics.overlap import ImageScore


def model_score(key: str, dice_percent: int, class_name: str = "lesion") -> ImageScore:
    """A score of the model with the given Dice: 100 pixels each, that many in common."""
    return ImageScore(key, f"p{key}", class_name, 100, 100, dice_percent)


def baseline_score(
    key: str, dice: float, name: str = "mean mask", class_name: str = "lesion"
) -> BaselineScore:
    return BaselineScore(key, f"p{key}", class_name, name, dice)


def test_difference_is_paired_by_image_whatever_the_order() -> None:
    scores = [model_score("a", 90), model_score("b", 50), model_score("c", 20)]
    baselines = [baseline_score(key, dice) for key, dice in (("c", 0.1), ("a", 0.8), ("b", 0.4))]
    (result,) = compare_with_baselines(scores, baselines)["lesion"]
    assert (result.name, result.images) == ("mean mask", 3)
    assert result.dice.value == pytest.approx(np.mean([0.1, 0.8, 0.4]))
    # Every image differs by 0.1, so the interval has no width although the scores vary widely.
    assert (result.difference.value, result.difference.low) == pytest.approx((0.1, 0.1))
    assert result.difference.high == pytest.approx(0.1)


def test_only_images_with_the_baseline_are_compared() -> None:
    scores = [model_score("a", 90), model_score("b", 50)]
    baselines = [
        baseline_score("a", 0.0, "empty mask"),
        baseline_score("b", 0.0, "empty mask"),
        baseline_score("b", 0.3, "whole lung mask"),
    ]
    empty, lung = compare_with_baselines(scores, baselines)["lesion"]
    assert (empty.images, lung.images) == (2, 1)
    assert empty.difference.value == pytest.approx(0.7)
    assert lung.difference.value == pytest.approx(0.2)


def test_images_of_one_patient_are_resampled_together() -> None:
    scores = [ImageScore(str(n), "one" if n < 9 else "two", "lesion", 100, 100, 90) for n in range(10)]
    baselines = [
        BaselineScore(
            item.key, item.patient_id, "lesion", "mean mask", 0.9 if item.patient_id == "one" else 0.1
        )
        for item in scores
    ]
    (result,) = compare_with_baselines(scores, baselines)["lesion"]
    assert (result.difference.low, result.difference.high) == pytest.approx((0.0, 0.8))


def test_classes_are_separate() -> None:
    scores = [model_score("a", 90, "lung"), model_score("a", 40, "lesion")]
    baselines = [baseline_score("a", 0.5, class_name="lung"), baseline_score("a", 0.5, class_name="lesion")]
    results = compare_with_baselines(scores, baselines)
    assert results["lung"][0].difference.value == pytest.approx(0.4)
    assert results["lesion"][0].difference.value == pytest.approx(-0.1)
