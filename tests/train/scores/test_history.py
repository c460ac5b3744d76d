from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lightning.pytorch.callbacks import EarlyStopping

from cxr.errors import ModelError
from cxr.train.scores.history import PATIENCE, Epoch, best_epoch, is_complete, read_history, write_history


def history(dice: list[float]) -> list[Epoch]:
    return [Epoch(number, 1, 1, value, value, 1e-3, 1) for number, value in enumerate(dice, 1)]


@given(st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4]), min_size=1, max_size=14))
def test_run_is_complete_exactly_where_lightning_stops_it(dice: list[float]) -> None:
    stopper = EarlyStopping("val_dice", mode="max", patience=PATIENCE)
    for number, value in enumerate(dice, 1):
        stops, _ = stopper._evaluate_stopping_criteria(torch.tensor(value))
        assert is_complete(history(dice[:number]), epochs=100) == stops
        if stops:
            break


def test_run_is_complete_after_its_last_epoch() -> None:
    assert not is_complete(history([0.1, 0.2]), epochs=3)
    assert is_complete(history([0.1, 0.2, 0.3]), epochs=3)
    assert not is_complete([], epochs=3)


def test_best_epoch_is_the_first_of_equal_ones() -> None:
    assert best_epoch(history([0.1, 0.3, 0.3, 0.2])).epoch == 2


def test_the_history_is_read_back_unchanged(tmp_path: Path) -> None:
    history = [Epoch(1, 0.9, 1e-17, 0.1, float("inf"), 1e-3, 2.5), Epoch(2, -0.5, 0.6, 1 / 3, 0.2, 1e22, 0.0)]
    write_history(tmp_path, history)
    assert read_history(tmp_path) == history


@pytest.mark.parametrize("text", ["epoch,train_loss\n1,\n", "epoch,other\n1,2\n", "epoch\none\n"])
def test_damaged_history_is_rejected(text: str, tmp_path: Path) -> None:
    (tmp_path / "training_history.csv").write_text(text)
    with pytest.raises(ModelError, match=r"training_history\.csv: not the history of a training run"):
        read_history(tmp_path)
