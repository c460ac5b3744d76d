"""The network between pixels and probabilities, and how Lightning fits it."""

from __future__ import annotations

from typing import Any

import lightning
import segmentation_models_pytorch as smp
import torch
from torch import Tensor
from torchmetrics import Metric

from ..models.segmenter import Segmenter
from .dataset import IGNORE


class MeanOverlap(Metric):
    """Dice and IoU over the images that show a class, averaged over classes: tensor (dice, iou)."""

    full_state_update = False
    sums: Tensor
    counts: Tensor

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.add_state("sums", torch.zeros(2, classes), dist_reduce_fx="sum")
        self.add_state("counts", torch.zeros(classes), dist_reduce_fx="sum")

    def update(self, logits: Tensor, target: Tensor) -> None:
        """Take in a batch: logits and masks [N,C,H,W]."""
        truth, found = target == 1, logits > 0
        area = truth.sum((2, 3)) + found.logical_and(target != IGNORE).sum((2, 3))
        common = (truth & found).sum((2, 3))
        shown = truth.any(3).any(2)
        # An area of 0 means not shown; 1 avoids 0 / 0 there.
        dice = 2 * common / area.clamp(min=1)
        iou = common / (area - common).clamp(min=1)
        self.sums += (torch.stack([dice, iou]) * shown).sum(1)
        self.counts += shown.sum(0)

    def compute(self) -> Tensor:
        """Give (dice, iou)."""
        there = self.counts > 0
        return (self.sums[:, there] / self.counts[there]).mean(1)


class SegmentationTask(lightning.LightningModule):
    """BCE + Dice, AdamW, one cycle of the learning rate."""

    def __init__(self, segmenter: Segmenter, classes: int, lr: float) -> None:
        super().__init__()
        self.segmenter = segmenter
        self.lr = lr
        self.bce = smp.losses.SoftBCEWithLogitsLoss(ignore_index=IGNORE)
        self.dice = smp.losses.DiceLoss("multilabel", from_logits=True, ignore_index=IGNORE)
        self.overlap = MeanOverlap(classes)

    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """Compare logits with masks, passing over what is not known."""
        wanted = target.float()
        total: Tensor = self.bce(logits, wanted) + self.dice(logits, wanted)
        return total

    def training_step(self, batch: tuple[Tensor, Tensor], _index: int) -> Tensor:
        """Learn from a batch."""
        pixels, target = batch
        loss = self.loss(self.segmenter.logits(pixels), target)
        self.log("lr", self.trainer.optimizers[0].param_groups[0]["lr"])
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(pixels), sync_dist=True)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], _index: int) -> None:
        """Judge a batch at the model's size."""
        pixels, target = batch
        logits = self.segmenter.logits(pixels)
        self.overlap.update(logits, target)
        self.log("val_loss", self.loss(logits, target), batch_size=len(pixels), sync_dist=True)

    def on_validation_epoch_end(self) -> None:
        """Sum up the validation images."""
        dice, iou = self.overlap.compute()
        self.overlap.reset()
        self.log("val_dice", dice, prog_bar=True, sync_dist=True)
        self.log("val_iou", iou, sync_dist=True)

    def configure_optimizers(self) -> Any:
        """Give the optimizer and its schedule, a step a batch."""
        optimizer = torch.optim.AdamW(self.segmenter.parameters(), lr=self.lr)
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=self.lr, total_steps=steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
