"""What a run writes after every epoch: its history, the best weights and the checkpoint to resume from."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning
import torch
from torch import Tensor

from ...errors import CxrError, InputError, OutputError
from ...machine.files import remove_temporary_files
from ...models.network.torch_file import save_torch_file
from ..run_folder import LAST, WEIGHTS, is_fold
from ..scores.history import Epoch, best_epoch, read_history, write_history
from .checkpoint import check_space
from .task import SegmentationTask

log = logging.getLogger(__name__)

_STEPS_BETWEEN_CHECKS = 50
"""Reading a loss makes a GPU wait."""


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
        assert isinstance(pl_module, SegmentationTask)
        folder = ""
        if trainer.is_global_zero:
            folder = str(self._open_folder())
            remove_temporary_files(Path(folder))
            check_space(Path(folder), pl_module.segmenter)
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

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Stop early where the weights have become useless: an epoch of a large data set takes hours."""
        assert isinstance(pl_module, SegmentationTask)
        loss: Tensor = outputs["loss"]
        if batch_idx % _STEPS_BETWEEN_CHECKS == 0 or loss.device.type == "cpu":
            _check_finite("training", float(loss), trainer.current_epoch + 1, pl_module.lr)

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Write the weights, if they are the best so far, the history and the checkpoint, in this order.

        A run that is killed between two of them repeats the epoch, and the files end the same.
        """
        assert isinstance(pl_module, SegmentationTask)
        epoch = self._epoch(trainer)
        for name, loss in (("training", epoch.train_loss), ("validation", epoch.val_loss)):
            _check_finite(name, loss, epoch.epoch, pl_module.lr)
        self._history.append(epoch)
        if trainer.is_global_zero:
            if best_epoch(self._history) is epoch:
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
        trainer.save_checkpoint(self.folder / LAST)

    def on_exception(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        exception: BaseException,
    ) -> None:
        """Log how to resume."""
        # An error in the input or the settings stops a resumed run as well; a full disk can be emptied.
        if isinstance(exception, CxrError) and not isinstance(exception, OutputError):
            return
        if trainer.is_global_zero and (self.folder / LAST).is_file():
            whole = self.folder.parent if is_fold(self.folder) else self.folder
            log.info("stopped; resume with: cxr-train --resume %s", whole)

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


def _check_finite(name: str, loss: float, epoch: int, lr: float) -> None:
    """Stop a run whose weights have become useless.

    Raises
    ------
    InputError
        If a loss is not a finite number.
    """
    if not math.isfinite(loss):
        raise InputError(
            f"the {name} loss of epoch {epoch} is not finite ({loss}): start again with a lower "
            f"--lr than {lr:g}"
        )


def _save_weights(task: SegmentationTask, path: Path) -> None:
    state = task.evaluated.network.state_dict()
    save_torch_file({name: tensor.cpu().contiguous() for name, tensor in state.items()}, path)
