from __future__ import annotations

import csv
from pathlib import Path

import pytest

from cxr.errors import ModelError
from cxr.metrics.overlap import ImageScore
from cxr.train.evaluation import write_scores
from cxr.train.recorder import Epoch, read_history, write_history


def test_scores_are_written_with_guarded_and_quoted_text(tmp_path: Path) -> None:
    scores = [
        ImageScore("a.png", "p", "lesion", 10, 10, 5),
        ImageScore("a\rb.png", "=1+1", "lesion", 0, 3, 0),
    ]
    write_scores(tmp_path / "scores.csv", scores)
    with (tmp_path / "scores.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header[:3] == ["image", "patient_id", "class"]
    assert rows == [
        ["a.png", "p", "lesion", "10", "10", "5", "0.500000", "0.333333"],
        ["a\rb.png", "'=1+1", "lesion", "0", "3", "0", "", ""],
    ]


def test_the_history_is_read_back_unchanged(tmp_path: Path) -> None:
    history = [Epoch(1, 0.9, 1e-17, 0.1, float("inf"), 1e-3, 2.5), Epoch(2, -0.5, 0.6, 1 / 3, 0.2, 1e22, 0.0)]
    write_history(tmp_path, history)
    assert read_history(tmp_path) == history


@pytest.mark.parametrize("text", ["epoch,train_loss\n1,\n", "epoch,other\n1,2\n", "epoch\none\n"])
def test_damaged_history_is_rejected(text: str, tmp_path: Path) -> None:
    (tmp_path / "training_history.csv").write_text(text)
    with pytest.raises(ModelError, match=r"training_history\.csv: not the history of a training run"):
        read_history(tmp_path)
