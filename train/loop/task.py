"""The Lightning module: loss, optimizer and validation metrics."""

from __future__ import annotations

from typing import Any, cast

import lightning
import torch
from torch import Tensor
from torchmetrics import Metric

from ...models.network.segmenter import Segmenter
from ..freeze import Freeze, keep_frozen
from ..images.dataset import IGNORE
from ..options import Loss
from .ema import moving_average
from .losses import LOSSES


class MeanOverlap(Metric):
    """Mean over classes of the mean Dice and IoU on images that show the class: tensor (dice, iou)."""

    full_state_update = False
    sums: Tensor
    counts: Tensor

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.add_state("sums", torch.zeros(2, classes), dist_reduce_fx="sum")
        self.add_state("counts", torch.zeros(classes), dist_reduce_fx="sum")

    def update(self, logits: Tensor, target: Tensor) -> None:
        """Add a batch: logits and masks [N,C,H,W]."""
        truth, predicted = target == 1, logits > 0
        area = truth.sum((2, 3)) + predicted.logical_and(target != IGNORE).sum((2, 3))
        intersection = (truth & predicted).sum((2, 3))
        present = truth.any(3).any(2)
        # Absent classes are not counted; for them, 1 avoids the division 0 / 0.
        dice = 2 * intersection / area.clamp(min=1)
        iou = intersection / (area - intersection).clamp(min=1)
        self.sums += (torch.stack([dice, iou]) * present).sum(1)
        self.counts += present.sum(0)

    def compute(self) -> Tensor:
        """Return (dice, iou)."""
        present = self.counts > 0
        return (self.sums[:, present] / self.counts[present]).mean(1)


class SegmentationTask(lightning.LightningModule):
    """A loss, AdamW, one cycle of the learning rate, and a moving average of the weights if asked for.

    Parameters
    ----------
    segmenter : Segmenter
    classes : int
    lr : float
        Highest learning rate.
    loss : Loss
        Pixels of unknown class have no part in it.
    ema : float, optional
        Decay of the moving average.
    freeze : Freeze
    """

    def __init__(
        self,
        segmenter: Segmenter,
        classes: int,
        lr: float,
        *,
        loss: Loss = Loss.BCE_DICE,
        ema: float | None = None,
        freeze: Freeze = Freeze.NONE,
    ) -> None:
        super().__init__()
        self.segmenter = segmenter
        self._freeze = freeze
        keep_frozen(segmenter.network, freeze)
        self.lr = lr
        self.loss = LOSSES[loss]
        # Part of this module, so that checkpoints hold it; without gradients, for which all processes wait.
        self.average = None if ema is None else moving_average(segmenter, ema).requires_grad_(False)
        self.overlap = MeanOverlap(classes)

    def train(self, mode: bool = True) -> SegmentationTask:
        """Set training or evaluation mode; what is frozen stays in evaluation mode."""
        super().train(mode)
        keep_frozen(self.segmenter.network, self._freeze)
        return self

    @property
    def evaluated(self) -> Segmenter:
        """What is validated and kept: the moving average of the network if there is one."""
        return self.segmenter if self.average is None else cast(Segmenter, self.average.module)

    def training_step(self, batch: tuple[Tensor, Tensor], _index: int) -> Tensor:
        """Compute the loss of a training batch."""
        pixels, target = batch
        loss = self.loss(self.segmenter.logits(pixels), target)
        self.log("lr", self.trainer.optimizers[0].param_groups[0]["lr"])
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(pixels), sync_dist=True)
        return loss

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Update the moving average after a step of the optimizer."""
        if self.average is not None:
            self.average.update_parameters(self.segmenter)

    def validation_step(self, batch: tuple[Tensor, Tensor], _index: int) -> None:
        """Evaluate a validation batch at the model's size."""
        pixels, target = batch
        logits = self.evaluated.logits(pixels)
        self.overlap.update(logits, target)
        self.log("val_loss", self.loss(logits, target), batch_size=len(pixels), sync_dist=True)

    def on_validation_epoch_end(self) -> None:
        """Log the metrics of all validation images."""
        dice, iou = self.overlap.compute()
        self.overlap.reset()
        self.log("val_dice", dice, prog_bar=True, sync_dist=True)
        self.log("val_iou", iou, sync_dist=True)

    def configure_optimizers(self) -> Any:
        """Return the optimizer and its schedule, which has one step per batch."""
        optimizer = torch.optim.AdamW(self.segmenter.parameters(), lr=self.lr, fused=True)
        steps = int(self.trainer.estimated_stepping_batches)
        if steps == 1:
            # The only step of a one-cycle schedule would be its last, at almost no learning rate.
            return optimizer
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=self.lr, total_steps=steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
