"""What a run writes after every epoch: its history, the best weights and the checkpoint to resume from."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

import lightning
import torch

from ..data.csv_files import read_csv_rows, write_csv
from ..errors import CxrError, InputError, ModelError
from ..machine.files import replacing
from ..models.torch_file import load_torch_file
from .run_folder import HISTORY, LAST, WEIGHTS
from .task import SegmentationTask

log = logging.getLogger(__name__)


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


def write_history(folder: Path, history: list[Epoch]) -> None:
    """Write the finished epochs of a run."""
    write_csv(folder / HISTORY, [field.name for field in fields(Epoch)], map(astuple, history))


class Recorder(lightning.Callback):
    """Updates the run folder after every epoch, and seeds every epoch by its number.

    Parameters
    ----------
    open_folder : callable
        Returns the run folder; called only by the first process, once all have started.
    seed : int
        Each epoch is seeded with it and the epoch's number, so that a resumed run draws the same numbers.
    """

    def __init__(self, open_folder: Callable[[], Path], seed: int) -> None:
        self._open_folder, self._seed = open_folder, seed
        self._history: list[Epoch] = []
        self._started = 0.0
        self.folder = Path()

    def setup(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str) -> None:
        """Share the run folder among all processes."""
        folder = str(self._open_folder()) if trainer.is_global_zero else ""
        self.folder = Path(trainer.strategy.broadcast(folder))
        self._history = read_history(self.folder)

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Drop epochs that are not in the checkpoint."""
        self._history = self._history[: trainer.current_epoch]

    def on_train_epoch_start(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
    ) -> None:
        """Start the timer and seed the epoch."""
        torch.manual_seed((self._seed * 10_007 + trainer.current_epoch) * 10_007 + trainer.global_rank)
        self._started = time.perf_counter()

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Write the history, the checkpoint and, if they are the best so far, the weights."""
        assert isinstance(pl_module, SegmentationTask)
        best = max((epoch.val_dice for epoch in self._history), default=-1.0)
        epoch = self._epoch(trainer)
        _check_finite(epoch, pl_module.lr)
        self._history.append(epoch)
        if trainer.is_global_zero:
            if epoch.val_dice > best:
                _save_weights(pl_module, self.folder / WEIGHTS)
            write_history(self.folder, self._history)
            log.info(
                "epoch %d of %s: train loss %.3f, val loss %.3f, val Dice %.3f (%.0f s)",
                *(
                    epoch.epoch,
                    trainer.max_epochs,
                    epoch.train_loss,
                    epoch.val_loss,
                    epoch.val_dice,
                    epoch.seconds,
                ),
            )
        # All processes must call this; only the first one writes.
        temporary = self.folder / f".{LAST}.part"
        trainer.save_checkpoint(temporary)
        if trainer.is_global_zero:
            temporary.replace(self.folder / LAST)

    def on_exception(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        exception: BaseException,
    ) -> None:
        """Log how to resume."""
        # An error in the input or the settings stops a resumed run as well.
        if isinstance(exception, CxrError):
            return
        if trainer.is_global_zero and (self.folder / LAST).is_file():
            log.info("stopped; resume with: cxr-train --resume %s", self.folder)

    def _epoch(self, trainer: lightning.Trainer) -> Epoch:
        metrics: dict[str, Any] = trainer.callback_metrics
        return Epoch(
            epoch=trainer.current_epoch + 1,
            train_loss=float(metrics["train_loss"]),
            val_loss=float(metrics["val_loss"]),
            val_dice=float(metrics["val_dice"]),
            val_iou=float(metrics["val_iou"]),
            lr=float(metrics["lr"]),
            seconds=round(time.perf_counter() - self._started, 1),
        )


def check_checkpoint(path: Path) -> None:
    """Check that a checkpoint can be read.

    Raises
    ------
    ModelError
        If it cannot, since it was cut off or is another file.
    """
    load_torch_file(path)


def _check_finite(epoch: Epoch, lr: float) -> None:
    """Stop a run whose weights have become useless.

    Raises
    ------
    InputError
        If a loss is not a finite number.
    """
    for name, loss in (("training", epoch.train_loss), ("validation", epoch.val_loss)):
        if not math.isfinite(loss):
            raise InputError(
                f"the {name} loss of epoch {epoch.epoch} is not finite ({loss}): start again with a lower "
                f"--lr than {lr:g}"
            )


def _save_weights(task: SegmentationTask, path: Path) -> None:
    state = {name: tensor.cpu().contiguous() for name, tensor in task.segmenter.network.state_dict().items()}
    with replacing(path) as temporary:
        torch.save(state, temporary)
