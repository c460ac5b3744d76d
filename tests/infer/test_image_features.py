from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import hypot, isnan
from typing import Any

import numpy as np
import pytest

from cxr.data.column_table import Table
from cxr.data.columns import header
from cxr.errors import DecodeError, ModelError
from cxr.infer.image_features import check_size, feature_columns, measure_image
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
            "lesion_count": 2,
            "lesion_mean_area": 15,
            "lesion_mean_centroid_dist": (first + second) / 2,
            "lesion_total_area": 30,
            "lesion_max_area": 24,
            "lesion_total_area_mm2": 3.0,
            "lesion_mean_probability": (24 * 0.8 + 6 * 0.6) / 30,
            "lesion_max_probability": 0.8,
            "lung_ratio": 0.5,
            "lung_count": 1,
            "lung_mean_area": 64 * 32,
            "lung_mean_centroid_dist": 16,
            "lung_total_area": 64 * 32,
            "lung_max_area": 64 * 32,
            "lung_total_area_mm2": 64 * 32 * 0.1,
            "lung_mean_probability": 0.9,
            "lung_max_probability": 0.9,
            "lesion_lung_ratio": 24 / (64 * 32),  # the other lesion lies outside the lung
            "lesion_upper_share": 1,
            "lesion_middle_share": 0,
            "lesion_lower_share": 0,
            "lesion_peripheral_share": 1,
            "left_lung_ratio": 0,
            "left_lung_total_area": 0,
            "left_lung_total_area_mm2": 0,
            "right_lung_ratio": 0.5,
            "right_lung_total_area": 64 * 32,
            "right_lung_total_area_mm2": 64 * 32 * 0.1,
        }
    )
    columns = feature_columns(card_of())
    assert tuple(measured.features) == columns[columns.index("lesion_ratio") :]


def test_image_without_lesions_has_zeros_and_empty_means(card_of: MakeCard) -> None:
    features = measure_image(make_maps(), SAME_SIZE, card_of(), spacing_mm=(1.0, 1.0)).features
    zero = {name for name, value in features.items() if value == 0}
    empty = {name for name, value in features.items() if isnan(value)}
    sizes = ("ratio", "total_area", "total_area_mm2")
    assert zero == {
        *(f"{name}_{size}" for name in ("lesion", "lung", "left_lung", "right_lung") for size in sizes),
        "lesion_count",
        "lung_count",
    }
    assert empty == set(features) - zero


def test_area_in_mm2_is_empty_if_the_spacing_is_unknown(card_of: MakeCard) -> None:
    assert isnan(
        measure_image(make_maps((0, 1, 1, 2, 2, 0.9)), SAME_SIZE, card_of()).features["lesion_total_area_mm2"]
    )


@pytest.mark.parametrize(
    ("classes", "in_lungs"),
    [
        (("lesion",), None),
        (("lung",), ()),
        (("lesion", "lung"), ("lesion",)),
        (("lung", "lesion", "heart"), ("lesion", "heart")),
    ],
)
def test_every_class_has_the_same_columns_in_the_order_of_the_card(
    card_of: MakeCard, classes: tuple[str, ...], in_lungs: tuple[str, ...] | None
) -> None:
    columns = feature_columns(card_of(classes))
    assert columns[:6] == ("image", "patient_id", "width", "height", "spacing_mm", "gray_from")
    measures = (
        *("ratio", "count", "mean_area", "mean_centroid_dist", "total_area", "max_area"),
        *("total_area_mm2", "mean_probability", "max_probability"),
    )
    blocks = tuple(f"{name}_{measure}" for name in classes for measure in measures)
    shares = ("lung_ratio", "upper_share", "middle_share", "lower_share", "peripheral_share")
    inside = tuple(f"{name}_{measure}" for name in in_lungs or () for measure in shares)
    sides = tuple(
        f"{side}_lung_{measure}" for side in ("left", "right") for measure in (measures[0], *measures[4:7:2])
    )
    assert columns[columns.index(blocks[0]) :] == blocks + inside + sides * (in_lungs is not None)


def test_lungs_are_the_union_of_the_lung_classes(card_of: MakeCard) -> None:
    card = card_of(("left", "right", "lesion"), anatomy={"left": "lung", "right": "lung"})
    probability = make_maps((0, 0, 0, 10, 10, 0.9), (1, 0, 5, 10, 10, 0.9), (2, 0, 0, 5, 20, 0.9), classes=3)
    features = measure_image(probability, SAME_SIZE, card).features
    assert features["lesion_lung_ratio"] == 5 * 15 / 150


def test_lesion_lung_ratio_is_empty_without_lungs(card_of: MakeCard) -> None:
    features = measure_image(make_maps((0, 0, 0, 5, 5, 0.9)), SAME_SIZE, card_of()).features
    assert isnan(features["lesion_lung_ratio"])
    assert isnan(features["lesion_upper_share"])


def test_classes_that_lead_to_the_same_column_are_rejected(card_of: MakeCard) -> None:
    with pytest.raises(ModelError, match="two columns of the same name"):
        feature_columns(card_of(("lesion", "lung", "lesion_lung")))


@pytest.mark.parametrize(("threshold", "area"), [(None, 4), (0.25, 8), (0.75, 0)])
def test_pixel_at_the_threshold_is_in_the_mask(card_of: MakeCard, threshold: float | None, area: int) -> None:
    probability = make_maps((0, 0, 0, 2, 2, 0.5), (0, 9, 9, 2, 2, 0.25))
    measured = measure_image(probability, SAME_SIZE, card_of(), threshold=threshold)
    assert measured.features["lesion_total_area"] == area


def test_each_class_has_its_own_threshold(card_of: MakeCard) -> None:
    card = replace(card_of(), thresholds=(0.5, 0.9))
    features = measure_image(make_maps((0, 0, 0, 2, 2, 0.7), (1, 0, 0, 2, 2, 0.7)), SAME_SIZE, card).features
    assert (features["lesion_total_area"], features["lung_total_area"]) == (4, 0)


def test_small_components_are_dropped_from_rows_and_masks(card_of: MakeCard) -> None:
    probability = make_maps((0, 0, 0, 2, 2, 0.9), (0, 20, 20, 3, 3, 0.9))
    measured = measure_image(probability, SAME_SIZE, card_of(("lesion",)), min_area=5)
    assert measured.masks["lesion"].sum() == measured.features["lesion_total_area"] == 9
    assert [row[:3] for row in measured.components] == [(1, "lesion", 9)]


def test_components_of_every_class_have_rows(card_of: MakeCard) -> None:
    probability = make_maps((0, 5, 6, 2, 3, 0.75), (1, 0, 0, 4, 4, 0.9), (1, 50, 50, 4, 4, 0.9))
    measured = measure_image(probability, SAME_SIZE, card_of())
    assert [row[:2] for row in measured.components] == [(1, "lesion"), (1, "lung"), (2, "lung")]
    row = dict(zip(header(Table.COMPONENTS)[1:], measured.components[0], strict=True))
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


@pytest.mark.parametrize(("shape", "fits"), [((32, 32), True), ((31, 2000), False), ((400, 31), False)])
def test_image_under_32_pixels_on_a_side_is_rejected(shape: tuple[int, int], fits: bool) -> None:
    pixels = np.zeros(shape, np.uint8)
    if fits:
        check_size(pixels)
        return
    with pytest.raises(DecodeError, match=rf"{shape[1]} x {shape[0]} pixels, fewer than 32 on a side"):
        check_size(pixels)
