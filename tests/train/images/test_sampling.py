from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxr.train.images.sampling import TrainingSampler, ValidationSampler, balanced_weights


@given(st.integers(1, 60), st.integers(0, 5), st.integers(0, 5))
def test_epoch_shows_every_image_once(count: int, seed: int, epoch: int) -> None:
    sampler = TrainingSampler(count, seed)
    sampler.set_epoch(epoch)
    draws = list(sampler)
    assert sorted(draw.number for draw in draws) == list(range(count))
    assert len(sampler) == count


@given(st.integers(1, 60), st.integers(0, 5))
def test_no_two_draws_of_a_run_have_the_same_changes(count: int, seed: int) -> None:
    sampler, seeds = TrainingSampler(count, seed), set()
    for epoch in range(3):
        sampler.set_epoch(epoch)
        seeds |= {draw.seed for draw in sampler}
    assert len(seeds) == 3 * count


def test_epoch_is_the_same_whenever_it_is_drawn_and_differs_from_others() -> None:
    one, other = TrainingSampler(20, 1), TrainingSampler(20, 1)
    first = list(one)
    one.set_epoch(4)
    other.set_epoch(4)
    assert list(one) == list(other)
    assert [draw.number for draw in one] != [draw.number for draw in first]
    assert list(TrainingSampler(20, 2)) != first


@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=40), st.integers(0, 9))
def test_image_is_drawn_as_often_as_its_weight_asks_rounded_down_or_up(
    weights: list[float], epoch: int
) -> None:
    sampler = TrainingSampler(len(weights), 0, np.array(weights))
    sampler.set_epoch(epoch)
    drawn = np.bincount([draw.number for draw in sampler], minlength=len(weights))
    expected = np.array(weights) / np.sum(weights) * len(weights)
    assert drawn.sum() == len(weights)
    assert (np.abs(drawn - expected) < 1 + 1e-9).all()


def test_every_image_is_drawn_by_its_weight_on_average() -> None:
    weights = np.array([1.0, 1, 1, 3])
    sampler, counts = TrainingSampler(4, 0, weights), np.zeros(4)
    for epoch in range(600):
        sampler.set_epoch(epoch)
        counts += np.bincount([draw.number for draw in sampler], minlength=4)
    np.testing.assert_allclose(counts / 600, weights * 4 / 6, atol=0.08)


def test_common_classes_need_no_balance() -> None:
    present = [[True, True], [True, False], [False, True], [True, False]]
    assert balanced_weights(present, [[True, True]] * 4).tolist() == [1, 1, 1, 1]


def test_images_of_a_rare_class_are_drawn_more_often() -> None:
    present = [[True, index < 2] for index in range(100)]
    weights = balanced_weights(present, [[True, True]] * 100)
    # One image in 50 shows the second class.
    assert weights[:2] == pytest.approx((0.5 / 0.02) ** 0.5)
    assert (weights[2:] == 1).all()


def test_images_without_a_mask_do_not_make_a_class_rare() -> None:
    present = [[index < 2] for index in range(100)]
    known = [[index < 4] for index in range(100)]
    assert (balanced_weights(present, known) == 1).all()


def test_class_that_no_image_shows_is_not_divided_by() -> None:
    assert balanced_weights([[False]] * 3, [[True]] * 3).tolist() == [1, 1, 1]


def test_validation_shows_all_images_in_order() -> None:
    assert list(ValidationSampler(5)) == [0, 1, 2, 3, 4]
