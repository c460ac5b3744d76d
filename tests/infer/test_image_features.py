from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import hypot, isnan
from typing import Any

import numpy as np
import pytest

from cxr.data.columns import COMPONENT_COLUMNS
from cxr.errors import ModelError
from cxr.infer.image_features import feature_columns, measure_image, patient_of
from cxr.models.card import ModelCard, ResizeRule
from cxr.models.preprocess import Placement, compute_placement

MakeCard = Callable[..., ModelCard]
SAME_SIZE = Placement(64, 64, 0, 0, 64, 64)


def make_maps(*rectangles: tuple[int, int, int, int, int, float], classes: int = 2) -> Any:
    """Return probability maps: 0, except in rectangles (class, row, column, height, width, probability)."""
    probability = np.zeros((classes, 64, 64), np.float32)
    for index, row, column, height, width, value in rectangles:
        probability[index, row : row + height, column : column + width] = value
    return probability


def test_features_are_those_of_the_thresholded_mask(card_of: MakeCard) -> None:
    probability = make_maps((0, 10, 10, 4, 6, 0.8), (0, 30, 40, 2, 3, 0.6), (1, 0, 0, 64, 32, 0.9))
    measured = measure_image(probability, SAME_SIZE, card_of(), spacing_mm=(0.5, 0.2))
    first = hypot(11.5 - 31.5, 12.5 - 31.5)
    second = hypot(30.5 - 31.5, 41.0 - 31.5)
    assert measured.features == pytest.approx(
        {
            "lesion_ratio": 30 / 4096,
            "num_lesions": 2,
            "mean_area": 15,
            "mean_centroid_dist": (first + second) / 2,
            "total_area": 30,
            "max_area": 24,
            "total_area_mm2": 3.0,
            "mean_probability": (24 * 0.8 + 6 * 0.6) / 30,
            "max_probability": 0.8,
            "lung_area": 64 * 32,
            "lesion_lung_ratio": 30 / (64 * 32),
        }
    )
    assert list(measured.features) == list(feature_columns(card_of())[5:])


def test_image_without_lesions_has_zeros_and_empty_means(card_of: MakeCard) -> None:
    features = measure_image(make_maps(), SAME_SIZE, card_of(), spacing_mm=(1.0, 1.0)).features
    zero = {name for name, value in features.items() if value == 0}
    empty = {name for name, value in features.items() if isnan(value)}
    assert zero == {"lesion_ratio", "num_lesions", "total_area", "total_area_mm2", "lung_area"}
    assert empty == set(features) - zero


def test_area_in_mm2_is_empty_if_the_spacing_is_unknown(card_of: MakeCard) -> None:
    assert isnan(
        measure_image(make_maps((0, 1, 1, 2, 2, 0.9)), SAME_SIZE, card_of()).features["total_area_mm2"]
    )


@pytest.mark.parametrize(
    ("classes", "extra"),
    [
        (("lesion",), ()),
        (("lung",), ()),
        (("lesion", "lung"), ("lung_area", "lesion_lung_ratio")),
        (("lung", "lesion", "heart"), ("lung_area", "heart_area", "lesion_lung_ratio")),
        (("heart", "rib"), ("rib_area",)),
    ],
)
def test_columns_follow_the_classes(
    card_of: MakeCard, classes: tuple[str, ...], extra: tuple[str, ...]
) -> None:
    columns = feature_columns(card_of(classes))
    assert columns[:5] == ("image", "patient_id", "width", "height", "spacing_mm")
    assert columns[5:9] == ("lesion_ratio", "num_lesions", "mean_area", "mean_centroid_dist")
    assert columns[14:] == extra


def test_classes_that_lead_to_the_same_column_are_rejected(card_of: MakeCard) -> None:
    with pytest.raises(ModelError, match="two columns of the same name"):
        feature_columns(card_of(("lesion", "total")))


@pytest.mark.parametrize(("threshold", "area"), [(None, 4), (0.25, 8), (0.75, 0)])
def test_pixel_at_the_threshold_is_in_the_mask(card_of: MakeCard, threshold: float | None, area: int) -> None:
    probability = make_maps((0, 0, 0, 2, 2, 0.5), (0, 9, 9, 2, 2, 0.25))
    measured = measure_image(probability, SAME_SIZE, card_of(), threshold=threshold)
    assert measured.features["total_area"] == area


def test_each_class_has_its_own_threshold(card_of: MakeCard) -> None:
    card = replace(card_of(), thresholds=(0.5, 0.9))
    features = measure_image(make_maps((0, 0, 0, 2, 2, 0.7), (1, 0, 0, 2, 2, 0.7)), SAME_SIZE, card).features
    assert (features["total_area"], features["lung_area"]) == (4, 0)


def test_small_components_are_dropped_from_rows_and_masks(card_of: MakeCard) -> None:
    probability = make_maps((0, 0, 0, 2, 2, 0.9), (0, 20, 20, 3, 3, 0.9))
    measured = measure_image(probability, SAME_SIZE, card_of(("lesion",)), min_area=5)
    assert measured.masks["lesion"].sum() == measured.features["total_area"] == 9
    assert [row[:3] for row in measured.components] == [(1, "lesion", 9)]


def test_components_of_every_class_have_rows(card_of: MakeCard) -> None:
    probability = make_maps((0, 5, 6, 2, 3, 0.75), (1, 0, 0, 4, 4, 0.9), (1, 50, 50, 4, 4, 0.9))
    measured = measure_image(probability, SAME_SIZE, card_of())
    assert [row[:2] for row in measured.components] == [(1, "lesion"), (1, "lung"), (2, "lung")]
    row = dict(zip(COMPONENT_COLUMNS[1:], measured.components[0], strict=True))
    assert (row["area"], row["bbox_0"], row["bbox_1"], row["bbox_2"], row["bbox_3"]) == (6, 5, 6, 7, 9)
    assert (row["centroid_0"], row["centroid_1"]) == (5.5, 7.0)
    assert row["mean_probability"] == row["max_probability"] == pytest.approx(0.75)
    assert (row["extent"], bool(row["touches_border"])) == (1.0, False)


def test_masks_have_the_size_of_the_image(card_of: MakeCard) -> None:
    card = card_of(("lesion",))
    card = replace(card, pixels=replace(card.pixels, resize=ResizeRule.PAD))
    placement = compute_placement(300, 200, card.pixels)
    measured = measure_image(make_maps((0, 0, 0, 64, 64, 0.9), classes=1), placement, card)
    assert measured.masks["lesion"].shape == (300, 200)
    assert measured.features["lesion_ratio"] == 1.0


@pytest.mark.parametrize("value", [float("nan"), -3.0, 7.5, float("inf")])
def test_output_that_is_not_a_probability_is_rejected(card_of: MakeCard, value: float) -> None:
    with pytest.raises(ModelError, match="not a probability"):
        measure_image(make_maps((0, 3, 3, 1, 1, value)), SAME_SIZE, card_of())


@pytest.mark.parametrize(
    ("name", "stated", "expected"),
    [
        ("00000013_002.png", None, "13"),
        ("00030805_000.dcm", "hash", "30805"),
        ("00000013_002", "hash", "hash"),
        ("x00000013_002.png", None, ""),
        ("chest.png", "hash", "hash"),
    ],
)
def test_patient_is_read_from_an_nih_name_else_from_the_file(
    name: str, stated: str | None, expected: str
) -> None:
    assert patient_of(name, stated) == expected
