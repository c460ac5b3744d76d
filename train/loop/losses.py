"""Losses of segmentation where a class may be unknown in an image: such a class has no part in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor
from torch.nn import functional

from ..images.dataset import IGNORE
from ..options import Loss

_NOT_ZERO = 1e-7

MISSED, FALSE = 0.7, 0.3
"""What a missed pixel and a false one cost in the Tversky index."""
FOCUS = 0.75
"""1 / gamma of the focal Tversky loss, with the authors' gamma of 4/3."""
_SMOOTH = 1.0


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


def focal_tversky_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """Compute the focal Tversky loss over the pixels whose class is known.

    For each class, over the whole batch, let t be the sum of the probability inside the mask, m what is
    missed of the mask, and f the sum outside: (1 - (t + 1) / (t + 0.7 m + 0.3 f + 1)) ^ 0.75 (Abraham and
    Khan 2018, arXiv:1810.07842).

    Parameters
    ----------
    logits : Tensor of float32, shape [N,C,H,W]
    masks : Tensor of uint8, shape [N,C,H,W]
        0, 1 or `IGNORE`.

    Returns
    -------
    Tensor of float32, shape []
        The mean over the classes that are known in the batch, shown or not; 0 where nothing is known.
    """
    over = (0, 2, 3)
    known = (masks != IGNORE).to(logits.dtype)
    target = (masks == 1).to(logits.dtype)
    probability = logits.sigmoid() * known
    found = (probability * target).sum(over)
    missed, false = target.sum(over) - found, probability.sum(over) - found
    index = (found + _SMOOTH) / (found + MISSED * missed + FALSE * false + _SMOOTH)
    # The slope of the power is infinite at 0.
    each = (1 - index).clamp(min=_NOT_ZERO) ** FOCUS
    is_known = (known.sum(over) > 0).to(logits.dtype)
    loss: Tensor = (each * is_known).sum() / is_known.sum().clamp(min=1)
    return loss


LOSSES: Mapping[Loss, Callable[[Tensor, Tensor], Tensor]] = {
    Loss.BCE_DICE: known_loss,
    Loss.FOCAL_TVERSKY: focal_tversky_loss,
}
"""Each takes logits [N,C,H,W] and masks [N,C,H,W]."""


def _dice_loss(probability: Tensor, target: Tensor) -> Tensor:
    over = (0, 2, 3)
    shown = target.sum(over)
    overlap = 2 * (probability * target).sum(over) / (probability.sum(over) + shown).clamp(min=_NOT_ZERO)
    present = (shown > 0).to(target.dtype)
    loss: Tensor = ((1 - overlap) * present).sum() / present.sum().clamp(min=1)
    return loss
