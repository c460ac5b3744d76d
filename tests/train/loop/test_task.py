from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from cxr.models.card import Normalization
from cxr.models.network.segmenter import Segmenter
from cxr.train.images.dataset import IGNORE
from cxr.train.loop.task import MeanOverlap, SegmentationTask


@pytest.fixture
def task() -> SegmentationTask:
    return SegmentationTask(Segmenter(nn.Conv2d(1, 2, 1), Normalization(0.5, 0.25)), 2, 1e-3)


def batch(seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(3, 2, 8, 8, generator=generator)
    return logits, torch.randint(0, 2, (3, 2, 8, 8), generator=generator, dtype=torch.uint8)


def test_network_receives_normalized_pixels() -> None:
    segmenter = Segmenter(nn.Identity(), Normalization(0.5, 0.25))
    pixels = torch.tensor([0, 51, 255], dtype=torch.uint8).reshape(1, 1, 1, 3)
    torch.testing.assert_close(segmenter.logits(pixels).ravel(), torch.tensor([-2.0, -1.2, 2.0]))
    torch.testing.assert_close(segmenter(pixels), segmenter.logits(pixels).sigmoid())


def test_loss_of_the_ground_truth_is_near_zero_and_of_its_inverse_large(task: SegmentationTask) -> None:
    _, target = batch()
    confident = (target.float() - 0.5) * 20
    assert float(task.loss(confident, target)) < 0.01
    assert float(task.loss(-confident, target)) > 5


def test_unknown_pixels_change_neither_loss_nor_gradient(task: SegmentationTask) -> None:
    logits, target = batch()
    target[1, 0] = IGNORE
    logits.requires_grad_()
    loss = task.loss(logits, target)
    loss.backward()
    assert logits.grad is not None
    assert (logits.grad[1, 0] == 0).all()
    assert (logits.grad[1, 1] != 0).all()

    changed = logits.detach().clone()
    changed[1, 0] += 5
    torch.testing.assert_close(task.loss(changed, target), loss.detach())


def test_batch_without_known_pixels_has_no_loss(task: SegmentationTask) -> None:
    logits, target = batch()
    assert float(task.loss(logits, torch.full_like(target, IGNORE))) == 0


def test_overlap_is_averaged_over_the_images_that_show_a_class_then_over_classes() -> None:
    overlap = MeanOverlap(2)
    target = torch.zeros(3, 2, 4, 4, dtype=torch.uint8)
    logits = torch.full((3, 2, 4, 4), -1.0)
    target[0, 0, :2], logits[0, 0, :2] = 1, 1.0  # segmented: Dice 1
    target[1, 0, :2] = 1  # missed: Dice 0
    target[2, 0] = IGNORE
    logits[2, 0] = 1.0  # unknown: not counted
    target[0, 1, 0], logits[0, 1, :2] = 1, 1.0  # twice as large: Dice 2/3, IoU 1/2
    overlap.update(logits, target)
    torch.testing.assert_close(overlap.compute(), torch.tensor([(0.5 + 2 / 3) / 2, 0.5]))


def test_class_absent_from_all_images_is_not_counted() -> None:
    overlap = MeanOverlap(2)
    target = torch.zeros(1, 2, 4, 4, dtype=torch.uint8)
    target[0, 0] = 1
    overlap.update(torch.ones(1, 2, 4, 4), target)
    torch.testing.assert_close(overlap.compute(), torch.ones(2))


def test_overlap_does_not_depend_on_batches() -> None:
    at_once, in_batches = MeanOverlap(2), MeanOverlap(2)
    pairs = [batch(seed) for seed in range(3)]
    for pair in pairs:
        in_batches.update(*pair)
    at_once.update(torch.cat([logits for logits, _ in pairs]), torch.cat([target for _, target in pairs]))
    torch.testing.assert_close(at_once.compute(), in_batches.compute())
