"""What a run writes while it fits: its history, the best weights, and where to go on from."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

import lightning
import torch

from ..data.csv_files import read_csv_rows, write_csv
from ..machine.files import replacing
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
    """Read the epochs that a run has behind it; none where it has none."""
    path = folder / HISTORY
    if not path.is_file():
        return []
    rows = read_csv_rows(path)
    return [Epoch(epoch=int(row.pop("epoch")), **{name: float(row[name]) for name in row}) for row in rows]


def write_history(folder: Path, history: list[Epoch]) -> None:
    """Write all epochs so far."""
    write_csv(folder / HISTORY, [field.name for field in fields(Epoch)], map(astuple, history))


class Recorder(lightning.Callback):
    """Keeps a run's folder up to date after every epoch, and seeds every epoch by its number.

    Parameters
    ----------
    open_folder : callable
        Gives the run's folder; called by the first process only, once all have started.
    seed : int
        With it and the epoch's number, a run that was resumed draws what it would have drawn.
    """

    def __init__(self, open_folder: Callable[[], Path], seed: int) -> None:
        self._open_folder, self._seed = open_folder, seed
        self._history: list[Epoch] = []
        self._started = 0.0
        self.folder = Path()

    def setup(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str) -> None:
        """Agree on the folder."""
        folder = str(self._open_folder()) if trainer.is_global_zero else ""
        self.folder = Path(trainer.strategy.broadcast(folder))
        self._history = read_history(self.folder)

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Forget epochs that the checkpoint does not know of."""
        self._history = self._history[: trainer.current_epoch]

    def on_train_epoch_start(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
    ) -> None:
        """Start the clock and the epoch's own random numbers."""
        torch.manual_seed((self._seed * 10_007 + trainer.current_epoch) * 10_007 + trainer.global_rank)
        self._started = time.perf_counter()

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Write the epoch."""
        assert isinstance(pl_module, SegmentationTask)
        best = max((epoch.val_dice for epoch in self._history), default=-1.0)
        epoch = self._epoch(trainer)
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
        # Every process has to take part; only the first one writes.
        beside = self.folder / f".{LAST}.part"
        trainer.save_checkpoint(beside)
        if trainer.is_global_zero:
            beside.replace(self.folder / LAST)

    def on_exception(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        exception: BaseException,
    ) -> None:
        """Say how to go on."""
        if trainer.is_global_zero and (self.folder / LAST).is_file():
            log.info("stopped; go on with: cxr-train --resume %s", self.folder)

    def _epoch(self, trainer: lightning.Trainer) -> Epoch:
        figures: dict[str, Any] = trainer.callback_metrics
        return Epoch(
            epoch=trainer.current_epoch + 1,
            train_loss=float(figures["train_loss"]),
            val_loss=float(figures["val_loss"]),
            val_dice=float(figures["val_dice"]),
            val_iou=float(figures["val_iou"]),
            lr=float(figures["lr"]),
            seconds=round(time.perf_counter() - self._started, 1),
        )


def _save_weights(task: SegmentationTask, path: Path) -> None:
    state = {name: tensor.cpu().contiguous() for name, tensor in task.segmenter.network.state_dict().items()}
    with replacing(path) as beside:
        torch.save(state, beside)
