from __future__ import annotations

import json
import string
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxr.errors import ModelError
from cxr.metrics.records import ClassMetrics, Interval
from cxr.models.card import (
    ModelCard,
    Normalization,
    Parity,
    PixelSpec,
    Precision,
    Quantization,
    ResizeRule,
    TrainingData,
)

FINITE = st.floats(allow_nan=False, allow_infinity=False)
COUNT = st.integers(0, 10**6)
TEXT = st.text(max_size=20)


@st.composite
def cards(draw: st.DrawFn) -> ModelCard:
    classes = draw(st.lists(TEXT, min_size=1, max_size=4, unique=True))
    intervals = st.none() | st.builds(Interval, FINITE, FINITE, FINITE)
    metrics = st.builds(ClassMetrics, COUNT, COUNT, intervals, intervals, intervals)
    share = st.floats(0, 1)
    return ModelCard(
        name=draw(TEXT),
        classes=tuple(classes),
        architecture=draw(TEXT),
        encoder=draw(TEXT),
        pixels=draw(
            st.builds(
                PixelSpec,
                st.integers(1, 4096),
                st.integers(1, 4096),
                st.sampled_from(ResizeRule),
                st.integers(0, 255),
            )
        ),
        normalization=draw(st.builds(Normalization, FINITE, st.floats(1e-6, 1e6))),
        thresholds=tuple(draw(st.floats(0.001, 0.999)) for _ in classes),
        license=draw(TEXT),
        decoder_channels=tuple(draw(st.lists(st.integers(1, 512), max_size=5))),
        precision=draw(st.sampled_from(Precision)),
        training=draw(st.none() | st.builds(TrainingData, TEXT, COUNT, COUNT, COUNT, COUNT, TEXT, TEXT)),
        metrics=draw(st.dictionaries(st.sampled_from(classes), metrics)),
        parity=draw(
            st.none() | st.builds(Parity, TEXT, st.tuples(COUNT, COUNT), COUNT, FINITE, share, share)
        ),
        quantization=draw(st.none() | st.builds(Quantization, TEXT, COUNT, FINITE, FINITE, TEXT)),
        versions=draw(st.dictionaries(st.text(string.ascii_letters, max_size=9), TEXT, max_size=3)),
    )


@given(cards())
def test_card_survives_the_round_trip_through_json(card: ModelCard) -> None:
    assert ModelCard.from_json(card.to_json()) == card


@given(cards())
def test_equal_cards_give_the_same_text(card: ModelCard) -> None:
    reordered = replace(card, versions=dict(reversed(list(card.versions.items()))))
    assert reordered.to_json() == card.to_json()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 3}, "schema 3"),
        ({"classes": (), "thresholds": ()}, "distinct names"),
        ({"classes": ("lung", "lung")}, "distinct names"),
        ({"thresholds": (0.5,)}, "2 classes but 1 thresholds"),
        ({"thresholds": (0.5, 1.0)}, "between 0 and 1"),
        ({"thresholds": (0.0, 0.5)}, "between 0 and 1"),
        ({"pixels": PixelSpec(0, 64)}, "invalid input size or pad value"),
        ({"pixels": PixelSpec(64, 64, pad_value=256)}, "invalid input size or pad value"),
        ({"normalization": Normalization(0.5, 0.0)}, "std must be positive"),
        ({"metrics": {"heart": ClassMetrics(0, 0)}}, "heart"),
    ],
)
def test_inconsistent_card_is_rejected(change: dict[str, Any], message: str, toy_card: ModelCard) -> None:
    with pytest.raises(ModelError, match=message):
        replace(toy_card, **change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 3}, "schema 3"),
        ({"thresholds": [0.5]}, "2 classes but 1 thresholds"),
        ({"classes": "lung"}, "classes"),
        ({"precision": "fp8"}, "fp8"),
        ({"encoder": None}, "encoder"),
    ],
)
def test_json_with_wrong_values_is_rejected(
    change: dict[str, Any], message: str, toy_card: ModelCard
) -> None:
    text = json.dumps({**json.loads(toy_card.to_json()), **change})
    with pytest.raises(ModelError, match=message) as caught:
        ModelCard.from_json(text, source="model.onnx")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", b"\xff\xfe", "null"])
def test_error_for_text_that_is_not_a_card_names_the_source(text: str | bytes) -> None:
    with pytest.raises(ModelError, match=r"^model\.onnx: not a valid model card"):
        ModelCard.from_json(text, source="model.onnx")


def test_card_of_schema_1_is_read_under_the_new_names() -> None:
    card = ModelCard.read(Path(__file__).with_name("files") / "card_schema_1.json")
    assert card.schema == 2
    assert card.license == "CC0"
    assert card.normalization == Normalization(0.449, 0.226)
    assert card.training == TrainingData("sample", 100, 40, 25, 10, "ab12", "synthetic, free of rights")
    assert card.parity is not None
    assert card.parity.images == 25
    assert card.quantization == Quantization("static", 96, 0.0005, 2.1, "cpu")
    assert ModelCard.from_json(card.to_json()) == card


def test_card_of_schema_1_that_lacks_a_field_is_rejected() -> None:
    with pytest.raises(ModelError, match="missing required field"):
        ModelCard.from_json('{"schema": 1, "licence": "CC0"}')


def test_card_is_read_from_a_file(tmp_path: Path, toy_card: ModelCard) -> None:
    path = tmp_path / "card.json"
    path.write_text(toy_card.to_json(), encoding="utf-8")
    assert ModelCard.read(path) == toy_card


def test_missing_card_file_is_a_model_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot read this model card"):
        ModelCard.read(tmp_path / "card.json")


@pytest.mark.parametrize(
    ("classes", "target"),
    [
        (("lung", "lesion"), "lesion"),
        (("lung", "heart"), "heart"),
        (("lung",), "lung"),
        (("heart", "rib"), "heart"),
    ],
)
def test_target_is_the_lesion_class_else_the_first_that_is_no_lung_class(
    classes: tuple[str, ...], target: str, toy_card: ModelCard
) -> None:
    assert replace(toy_card, classes=classes, thresholds=(0.5,) * len(classes)).target == target


@pytest.mark.parametrize(
    ("anatomy", "lung_classes"),
    [
        ({}, ("lung",)),
        ({"left": "lung", "right": "lung"}, ("left", "right", "lung")),
        ({"lung": "vessel", "left": "lung"}, ("left",)),
    ],
)
def test_lung_classes_are_those_of_that_anatomy_or_name(
    anatomy: dict[str, str], lung_classes: tuple[str, ...], toy_card: ModelCard
) -> None:
    classes = ("left", "right", "lung")
    card = replace(toy_card, classes=classes, thresholds=(0.5,) * 3, metrics={}, anatomy=anatomy)
    assert card.lung_classes == lung_classes
    assert ModelCard.from_json(card.to_json()) == card


def test_card_without_anatomy_is_still_read(toy_card: ModelCard) -> None:
    values = json.loads(toy_card.to_json())
    del values["anatomy"]
    assert ModelCard.from_json(json.dumps(values)) == toy_card


def test_anatomy_of_an_unknown_class_is_rejected(toy_card: ModelCard) -> None:
    with pytest.raises(ModelError, match="anatomy of unknown classes"):
        replace(toy_card, anatomy={"rib": "bone"})
