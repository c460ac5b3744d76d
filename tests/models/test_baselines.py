from __future__ import annotations

from dataclasses import replace

import pytest

from cxr.metrics.records import BaselineMetrics, Interval
from cxr.models.baselines import baseline_warnings
from cxr.models.card import ModelCard
from cxr.models.command import card_lines


def compared(name: str, dice: float, low: float, high: float) -> BaselineMetrics:
    return BaselineMetrics(name, 20, Interval(dice, dice, dice), Interval((low + high) / 2, low, high))


@pytest.mark.parametrize("low", [0.0, -0.01])
def test_warning_names_the_best_unbeaten_baseline(toy_card: ModelCard, low: float) -> None:
    baselines = {
        "lung": (compared("empty mask", 0.0, 0.8, 0.9),),
        "lesion": (
            compared("empty mask", 0.0, -0.1, 0.5),
            compared("whole lung mask", 0.332, low, 0.15),
            compared("mean mask", 0.4, 0.01, 0.02),
        ),
    }
    (line,) = baseline_warnings(replace(toy_card, baselines=baselines))
    assert line.startswith("lesion: the model is not better than a trivial prediction")
    assert "that of the whole lung mask 0.332" in line
    assert f"{low:+.3f} to +0.150" in line


def test_model_that_beats_every_baseline_gives_no_warning(toy_card: ModelCard) -> None:
    baselines = {name: (compared("mean mask", 0.4, 0.01, 0.2),) for name in toy_card.classes}
    assert baseline_warnings(replace(toy_card, baselines=baselines)) == ()


def test_card_without_baselines_gives_no_warning(toy_card: ModelCard) -> None:
    assert baseline_warnings(toy_card) == ()


def test_undefined_difference_gives_a_warning(toy_card: ModelCard) -> None:
    nan = float("nan")
    card = replace(toy_card, baselines={"lung": (compared("mean mask", 0.4, nan, nan),)})
    assert len(baseline_warnings(card)) == 1


def test_card_is_shown_with_its_baselines_and_warnings(toy_card: ModelCard) -> None:
    card = replace(toy_card, baselines={"lung": (compared("mean mask", 0.4, -0.1, 0.2),)})
    text = "\n".join(card_lines(card))
    assert "lung baselines  mean mask 0.400" in text
    assert "warning" in text
    assert baseline_warnings(card)[0] in text
