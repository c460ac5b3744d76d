from __future__ import annotations

import pytest
import torch
from torch import nn

from cxr.train.loop.ema import decay_at, moving_average


def test_average_follows_the_weights_by_the_decay() -> None:
    model = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(model.weight)
    average = moving_average(model, 0.99)
    expected = 0.0
    average.update_parameters(model)
    for step in range(1, 2000):
        nn.init.constant_(model.weight, float(step % 7))
        average.update_parameters(model)
        decay = min(0.99, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * (step % 7)
    assert average.module.weight.item() == pytest.approx(expected, rel=1e-4)


def test_first_update_takes_the_weights_unchanged() -> None:
    model = nn.Linear(2, 2)
    average = moving_average(model)
    nn.init.constant_(model.weight, 3)
    average.update_parameters(model)
    assert (average.module.weight == 3).all()


def test_first_steps_forget_faster_and_later_ones_by_the_decay() -> None:
    decays = [decay_at(step, 0.99) for step in range(2000)]
    assert decays == sorted(decays)
    assert decays[0] == 0.1
    assert decays[-1] == 0.99


def test_statistics_are_averaged_and_counters_are_copied() -> None:
    model = nn.BatchNorm1d(1)
    average = moving_average(model, 0.5)
    for mean in (0.0, 4.0):
        model.running_mean = torch.tensor([mean])
        model.num_batches_tracked += 1
        average.update_parameters(model)
    # The second step, number 1, keeps 2 / 11 of the past.
    assert average.module.running_mean.item() == pytest.approx(4 * 9 / 11)
    assert average.module.num_batches_tracked.item() == 2


def test_the_model_itself_is_not_changed() -> None:
    model = nn.Linear(1, 1)
    before = model.weight.item()
    moving_average(model).update_parameters(model)
    assert model.weight.item() == before


@pytest.mark.parametrize("decay", [-0.1, 1.0])
def test_impossible_decay_is_rejected(decay: float) -> None:
    with pytest.raises(ValueError, match="decay must lie"):
        moving_average(nn.Linear(1, 1), decay)
