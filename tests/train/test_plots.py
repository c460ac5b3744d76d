from __future__ import annotations

import math

from cxr.metrics.overlap import ImageScore
from cxr.train.plots import choose_examples


def scored(key: str, common: int, truth: int = 10) -> ImageScore:
    return ImageScore(key, "p", "lesion", truth, 10, common)


def test_examples_go_from_the_worst_to_the_best() -> None:
    scores = [scored(f"{number:02}", number % 11) for number in range(33)]
    chosen = choose_examples(scores, 5)
    dice = {item.key: item.dice for item in scores}
    figures = [dice[key] for key in chosen]
    assert figures == sorted(figures)
    assert (figures[0], figures[-1]) == (0, 1)


def test_a_image_counts_once_whatever_its_classes() -> None:
    assert choose_examples([scored("a", 3), scored("a", 9), scored("b", 1)], 8) == ("b", "a")


def test_a_find_on_an_empty_image_is_the_worst() -> None:
    scores = [scored("empty", 0, truth=0), scored("good", 9)]
    assert math.isnan(scores[0].dice)
    assert choose_examples(scores) == ("empty", "good")
