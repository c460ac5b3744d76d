from __future__ import annotations

import math

from cxr.metrics.overlap import ImageScore
from cxr.train.scores.plots import choose_examples


def scored(key: str, intersection: int, truth: int = 10) -> ImageScore:
    return ImageScore(key, "p", "lesion", truth, 10, intersection)


def test_examples_range_from_the_worst_to_the_best() -> None:
    scores = [scored(f"{number:02}", number % 11) for number in range(33)]
    chosen = choose_examples(scores, 5)
    dice = {item.key: item.dice for item in scores}
    chosen_dice = [dice[key] for key in chosen]
    assert chosen_dice == sorted(chosen_dice)
    assert (chosen_dice[0], chosen_dice[-1]) == (0, 1)


def test_image_with_several_classes_is_chosen_once() -> None:
    assert choose_examples([scored("a", 3), scored("a", 9), scored("b", 1)], 8) == ("b", "a")


def test_false_positive_on_an_empty_image_ranks_worst() -> None:
    scores = [scored("empty", 0, truth=0), scored("good", 9)]
    assert math.isnan(scores[0].dice)
    assert choose_examples(scores) == ("empty", "good")
