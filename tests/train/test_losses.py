from __future__ import annotations

import pytest
import segmentation_models_pytorch as smp
import torch

from cxr.train.dataset import IGNORE
from cxr.train.losses import known_loss


def random_batch(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(3, 2, 8, 8, generator=generator).requires_grad_()
    return logits, (torch.rand(3, 2, 8, 8, generator=generator) > 0.6).to(torch.uint8)


def test_loss_is_cross_entropy_plus_dice_where_everything_is_known() -> None:
    logits, masks = random_batch()
    entropy = smp.losses.SoftBCEWithLogitsLoss()(logits, masks.float())
    dice = smp.losses.DiceLoss("multilabel")(logits, masks.float())
    assert known_loss(logits, masks).item() == pytest.approx((entropy + dice).item(), rel=1e-5)


def test_unknown_class_has_no_part_in_the_loss() -> None:
    logits, masks = random_batch()
    masks[1, 0] = IGNORE
    loss = known_loss(logits, masks)
    loss.backward()
    assert logits.grad is not None
    assert (logits.grad[1, 0] == 0).all()
    assert (logits.grad[1, 1] != 0).all()
    changed = logits.detach().clone()
    changed[1, 0] += 5
    assert known_loss(changed, masks).item() == loss.item()


def test_loss_of_known_classes_does_not_depend_on_how_many_are_unknown() -> None:
    logits, masks = random_batch()
    known = known_loss(logits[:, :1], masks[:, :1])
    masks[:, 1] = IGNORE
    assert known_loss(logits, masks).item() == pytest.approx(known.item(), rel=1e-6)


def test_loss_is_zero_where_nothing_is_known() -> None:
    logits, masks = random_batch()
    loss = known_loss(logits, torch.full_like(masks, IGNORE))
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert (logits.grad == 0).all()
