"""The finished epochs of a run: `training_history.csv`, and when training is over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from ...data.csv_files import read_csv_rows, write_csv
from ...errors import ModelError
from ..run_folder import HISTORY

PATIENCE = 5
"""Epochs without a better Dice after which training stops."""


@dataclass(frozen=True)
class Epoch:
    """One row of `training_history.csv`; Dice and IoU are at the model's size."""

    epoch: int
    train_loss: float
    val_loss: float
    val_dice: float
    val_iou: float
    lr: float
    seconds: float


def read_history(folder: Path) -> list[Epoch]:
    """Read the finished epochs of a run; empty if there are none.

    Raises
    ------
    ModelError
        If the file is not such a table.
    """
    path = folder / HISTORY
    if not path.is_file():
        return []
    try:
        rows = list(read_csv_rows(path))
        return [
            Epoch(epoch=int(row.pop("epoch")), **{name: float(row[name]) for name in row}) for row in rows
        ]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path}: not the history of a training run ({error}); start a new run") from error


def write_history(folder: Path, history: Sequence[Epoch]) -> None:
    """Write the finished epochs of a run."""
    write_csv(folder / HISTORY, [field.name for field in fields(Epoch)], map(astuple, history))


def best_epoch(history: Sequence[Epoch]) -> Epoch:
    """Return the epoch with the highest Dice, the first of several; its weights are kept."""
    return max(history, key=lambda epoch: epoch.val_dice)


def is_complete(history: Sequence[Epoch], epochs: int) -> bool:
    """Return whether all epochs were trained, or none was better for as long as training waits for one."""
    return bool(history) and (
        len(history) >= epochs or history[-1].epoch - best_epoch(history).epoch >= PATIENCE
    )
