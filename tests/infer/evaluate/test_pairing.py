from __future__ import annotations

from collections.abc import Callable

import pytest

from cxr.errors import InputError
from cxr.infer.evaluate.pairing import ClassPair, pair_classes
from cxr.models.card import ModelCard

CardOf = Callable[..., ModelCard]
AVAILABLE = ("lung", "lung_2", "lesion", "heart")


@pytest.fixture
def two_lungs(card_of: CardOf) -> ModelCard:
    names = ("lung_fields", "lung_with_heart", "lesion")
    return card_of(names, anatomy={"lung_fields": "lung", "lung_with_heart": "lung"})


def test_classes_of_the_same_name_belong_together(card_of: CardOf) -> None:
    assert pair_classes(card_of(("lesion", "lung")), AVAILABLE) == (
        ClassPair("lesion", 0, "lesion", None, is_lung=False),
        ClassPair("lung", 1, "lung", None, is_lung=True),
    )


def test_lung_classes_of_other_names_belong_to_the_lung(two_lungs: ModelCard) -> None:
    pairs = pair_classes(two_lungs, AVAILABLE, requested=["lung"])
    assert [(pair.name, pair.index, pair.truth) for pair in pairs] == [
        ("lung_fields", 0, "lung"),
        ("lung_with_heart", 1, "lung"),
    ]


def test_a_map_comes_first(two_lungs: ModelCard) -> None:
    pairs = pair_classes(
        two_lungs, AVAILABLE, requested=["lung", "heart"], class_map={"lung_with_heart": "heart"}
    )
    assert [(pair.name, pair.truth) for pair in pairs] == [
        ("lung_fields", "lung"),
        ("lung_with_heart", "heart"),
    ]


@pytest.mark.parametrize("column", ["lung_2", "mask_lung_2"])
def test_a_second_reader_is_a_class_or_its_column(two_lungs: ModelCard, column: str) -> None:
    pairs = pair_classes(two_lungs, AVAILABLE, requested=["lung"], second_readers={"lung": column})
    assert {pair.second for pair in pairs} == {"lung_2"}


def test_without_a_list_the_names_of_the_model_are_kept(card_of: CardOf) -> None:
    (pair,) = pair_classes(card_of(("Pneumonia",)), None)
    assert (pair.name, pair.truth) == ("Pneumonia", "Pneumonia")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"requested": ["lungs"]}, "no class 'lungs'; did you mean 'lung'"),
        ({"requested": ["heart"]}, "the model predicts lesion, lung, not heart; .* --map MODEL_CLASS=heart"),
        ({"class_map": {"leson": "heart"}}, "no class 'leson'; did you mean 'lesion'"),
        ({"class_map": {"lesion": "hart"}}, "no class 'hart'; did you mean 'heart'"),
        ({"second_readers": {"lung": "mask_lung_3"}}, "no class 'lung_3'; did you mean 'lung_2'"),
        ({"second_readers": {"heart": "lung_2"}}, "--second-reader: the class 'heart' is not evaluated"),
    ],
)
def test_unknown_names_are_one_line_with_the_nearest(
    settings: dict[str, object], message: str, card_of: CardOf
) -> None:
    with pytest.raises(InputError, match=message):
        pair_classes(card_of(("lesion", "lung")), AVAILABLE, **settings)  # type: ignore[arg-type]


def test_nothing_in_common_is_an_error(card_of: CardOf) -> None:
    with pytest.raises(InputError, match=r"the model predicts nodule, not heart; .*--map"):
        pair_classes(card_of(("nodule",)), ("heart",))
