from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest

from cxr.data.datasets.records import Record
from cxr.data.image import Gray
from cxr.metrics.overlap import ImageScore
from cxr.models.card import PixelSpec
from cxr.models.evaluate import evaluate, mean_dice, predictions, score_prediction
from cxr.models.preprocess import Probability

SPEC = PixelSpec(64, 64)


def bright(batch: Gray) -> Probability:
    """A model of two classes; both are the bright pixels."""
    return np.repeat(batch > 127, 2, axis=1).astype(np.float32)


@pytest.fixture
def records(tmp_path: Path) -> list[Record]:
    """Images of different sizes that are their own lesion masks; the lung masks are unknown."""
    made = []
    for number, size in enumerate([(100, 80), (64, 64), (50, 120)]):
        image = np.zeros(size, np.uint8)
        cv2.circle(image, (size[1] // 2, size[0] // 2), 20, 255, -1)
        path = tmp_path / f"{number}.png"
        cv2.imwrite(str(path), image)
        made.append(Record(path.name, path, f"p{number}", {"lesion": path, "lung": None}))
    return made


def test_probability_maps_have_each_images_own_size_and_order(records: list[Record]) -> None:
    found = list(predictions(bright, records, SPEC, batch_size=2))
    assert [item.record.key for item in found] == ["0.png", "1.png", "2.png"]
    assert [item.probability.shape for item in found] == [(2, 100, 80), (2, 64, 64), (2, 50, 120)]


def test_only_classes_with_known_ground_truth_are_scored(records: list[Record]) -> None:
    found = predictions(bright, records, SPEC)
    scores = [score for item in found for score in score_prediction(item, ("lesion", "lung"), (0.5, 0.5))]
    assert [(item.key, item.class_name) for item in scores] == [(f"{n}.png", "lesion") for n in range(3)]
    assert min(item.dice for item in scores) > 0.96


def test_probability_equal_to_the_threshold_is_inside_the_mask(records: list[Record]) -> None:
    (uniform,) = predictions(
        lambda batch: np.full((len(batch), 1, 64, 64), 0.5, np.float32), records[1:2], SPEC
    )
    (at,), (above,) = (score_prediction(uniform, ("lesion",), (cut,)) for cut in (0.5, 0.6))
    assert (at.predicted_area, above.predicted_area) == (64 * 64, 0)


def scored(class_name: str, truth: int, predicted: int, common: int) -> ImageScore:
    return ImageScore("a.png", "p", class_name, truth, predicted, common)


def test_every_known_class_is_scored_in_order_and_no_other_image_is_read(
    records: list[Record], tmp_path: Path
) -> None:
    unlabeled = Record("absent.png", tmp_path / "absent.png", "p9", {"lesion": None, "lung": None})
    scores = evaluate(bright, [unlabeled, *records], SPEC, ("lesion", "lung"), (0.5, 0.5), batch_size=2)
    one_by_one = [
        score
        for item in predictions(bright, records, SPEC)
        for score in score_prediction(item, ("lesion", "lung"), (0.5, 0.5))
    ]
    assert scores == one_by_one
    assert len(scores) == 3


def test_mean_dice_weights_classes_equally_however_many_images_show_them() -> None:
    scores = [
        scored("lung", 10, 10, 10),
        scored("lung", 10, 10, 5),
        scored("lung", 10, 10, 6),
        scored("lesion", 10, 10, 2),
    ]
    assert mean_dice(scores) == pytest.approx((0.7 + 0.2) / 2)


def test_mean_dice_is_over_images_that_show_the_class() -> None:
    empty = scored("lesion", 0, 50, 0)
    assert mean_dice([scored("lesion", 10, 10, 5), empty]) == pytest.approx(0.5)
    assert math.isnan(mean_dice([empty]))
    assert math.isnan(mean_dice([]))
