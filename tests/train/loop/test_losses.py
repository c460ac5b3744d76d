from __future__ import annotations

import math

import numpy as np
import pytest
import segmentation_models_pytorch as smp
import torch

from cxr.train.images.dataset import IGNORE
from cxr.train.loop.losses import LOSSES, focal_tversky_loss, known_loss
from cxr.train.options import Loss


def random_batch(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(3, 2, 8, 8, generator=generator).requires_grad_()
    return logits, (torch.rand(3, 2, 8, 8, generator=generator) > 0.6).to(torch.uint8)


def test_loss_is_cross_entropy_plus_dice_where_everything_is_known() -> None:
    logits, masks = random_batch()
    entropy = smp.losses.SoftBCEWithLogitsLoss()(logits, masks.float())
    dice = smp.losses.DiceLoss("multilabel")(logits, masks.float())
    assert known_loss(logits, masks).item() == pytest.approx((entropy + dice).item(), rel=1e-5)


def naive_focal_tversky(logits: np.ndarray, masks: np.ndarray) -> float:
    """The formula of the paper, pixel by pixel."""
    losses = []
    for index in range(masks.shape[1]):
        found = missed = false = known = 0.0
        for logit, truth in zip(logits[:, index].flat, masks[:, index].flat, strict=True):
            if truth == IGNORE:
                continue
            known += 1
            probability = 1 / (1 + math.exp(-logit))
            found += probability * truth
            missed += (1 - probability) * truth
            false += probability * (1 - int(truth))
        if known:
            losses.append((1 - (found + 1) / (found + 0.7 * missed + 0.3 * false + 1)) ** 0.75)
    return sum(losses) / len(losses)


@pytest.mark.parametrize("seed", range(4))
def test_focal_tversky_loss_is_the_formula_of_the_paper(seed: int) -> None:
    logits, masks = random_batch(seed)
    masks[0, 1] = IGNORE
    masks[1, :, :3] = IGNORE
    if seed == 3:
        masks[:, 1] = IGNORE
    expected = naive_focal_tversky(logits.detach().double().numpy(), masks.numpy())
    assert focal_tversky_loss(logits, masks).item() == pytest.approx(expected, rel=1e-5)


def test_focal_tversky_loss_has_finite_slopes_where_everything_is_right() -> None:
    _, masks = random_batch()
    logits = ((masks.float() - 0.5) * 200).requires_grad_()
    focal_tversky_loss(logits, masks).backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_missed_pixel_costs_more_than_a_false_one_in_the_focal_tversky_loss() -> None:
    masks = torch.zeros(1, 1, 8, 8, dtype=torch.uint8)
    masks[..., 2:6, 2:6] = 1
    right = (masks.float() - 0.5) * 20
    missed, false = right.clone(), right.clone()
    missed[..., 2, 2:6], false[..., 1, 2:6] = -10, 10
    assert focal_tversky_loss(missed, masks) > 1.5 * focal_tversky_loss(false, masks)


def test_false_pixels_in_an_image_without_the_class_cost_in_the_focal_tversky_loss() -> None:
    masks = torch.zeros(1, 1, 8, 8, dtype=torch.uint8)
    assert focal_tversky_loss(torch.full((1, 1, 8, 8), 5.0), masks) > 0.9
    assert focal_tversky_loss(torch.full((1, 1, 8, 8), -20.0), masks) < 1e-4


@pytest.mark.parametrize("kind", Loss)
def test_unknown_class_has_no_part_in_the_loss(kind: Loss) -> None:
    logits, masks = random_batch()
    masks[1, 0] = IGNORE
    loss = LOSSES[kind](logits, masks)
    loss.backward()
    assert logits.grad is not None
    assert (logits.grad[1, 0] == 0).all()
    assert (logits.grad[1, 1] != 0).all()
    changed = logits.detach().clone()
    changed[1, 0] += 5
    assert LOSSES[kind](changed, masks).item() == loss.item()


@pytest.mark.parametrize("kind", Loss)
def test_loss_of_known_classes_does_not_depend_on_how_many_are_unknown(kind: Loss) -> None:
    logits, masks = random_batch()
    known = LOSSES[kind](logits[:, :1], masks[:, :1])
    masks[:, 1] = IGNORE
    assert LOSSES[kind](logits, masks).item() == pytest.approx(known.item(), rel=1e-6)


@pytest.mark.parametrize("kind", Loss)
def test_loss_is_zero_where_nothing_is_known(kind: Loss) -> None:
    logits, masks = random_batch()
    loss = LOSSES[kind](logits, torch.full_like(masks, IGNORE))
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert (logits.grad == 0).all()
