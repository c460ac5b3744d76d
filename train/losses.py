"""The loss of segmentation where a class may be unknown in an image: such a class has no part in it."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from .dataset import IGNORE

_NOT_ZERO = 1e-7


def known_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """Compute binary cross-entropy plus Dice loss over the pixels whose class is known.

    Parameters
    ----------
    logits : Tensor of float32, shape [N,C,H,W]
    masks : Tensor of uint8, shape [N,C,H,W]
        0, 1 or `IGNORE`.

    Returns
    -------
    Tensor of float32, shape []
        The mean cross-entropy over known pixels, plus the mean over the classes that the batch shows of one
        minus the Dice coefficient of the whole batch (Milletari et al. 2016, arXiv:1606.04797). 0 where
        nothing is known.
    """
    known = (masks != IGNORE).to(logits.dtype)
    target = (masks == 1).to(logits.dtype)
    entropy = functional.binary_cross_entropy_with_logits(logits, target, weight=known, reduction="sum")
    return entropy / known.sum().clamp(min=1) + _dice_loss(logits.sigmoid() * known, target)


def _dice_loss(probability: Tensor, target: Tensor) -> Tensor:
    over = (0, 2, 3)
    shown = target.sum(over)
    overlap = 2 * (probability * target).sum(over) / (probability.sum(over) + shown).clamp(min=_NOT_ZERO)
    present = (shown > 0).to(target.dtype)
    loss: Tensor = ((1 - overlap) * present).sum() / present.sum().clamp(min=1)
    return loss
