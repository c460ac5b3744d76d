"""Fit a network on images that are all in memory, with a moving average of its weights.

`cxr-train` fits one data set on disk with Lightning. This loop is for what has no folder: pseudo-labels, and
several data sets pooled with other classes known in each.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ...data.datasets.records import Record
from ...data.image import Gray
from ...errors import InputError, ModelError
from ...machine.cores import usable_cores
from ...models.card import PixelSpec
from ...models.network.segmenter import Segmenter
from ..images.augmentation import augment
from ..images.dataset import Augment, load_example
from ..loop.ema import DECAY, moving_average
from ..loop.losses import known_loss

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Examples:
    """Images and masks at the model's size.

    Attributes
    ----------
    pixels : ndarray of uint8, shape (images, height, width)
    masks : ndarray of uint8, shape (images, classes, height, width)
        0, 1 or `IGNORE`.
    """

    pixels: Gray
    masks: Gray

    def __len__(self) -> int:
        """Count the images."""
        return len(self.pixels)


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to fit: AdamW with a one-cycle learning rate."""

    epochs: int
    batch_size: int = 16
    lr: float = 1.5e-3
    weight_decay: float = 0.01
    decay: float = DECAY
    seed: int = 0


def load_examples(records: Sequence[Record], classes: Sequence[str], spec: PixelSpec) -> Examples:
    """Read images and masks at the model's size, in the order of `records`; see `load_example`."""
    with ThreadPoolExecutor(usable_cores()) as pool:
        loaded = list(pool.map(lambda record: load_example(record, classes, spec), records))
    return Examples(np.stack([pixels[0] for pixels, _ in loaded]), np.stack([masks for _, masks in loaded]))


def fit(
    segmenter: Segmenter,
    examples: Examples,
    schedule: Schedule,
    *,
    repeats: Sequence[int] | None = None,
    change: Augment = augment,
) -> Segmenter:
    """Fit a network and return the moving average of its weights.

    Parameters
    ----------
    segmenter : Segmenter
        Trained in place.
    examples : Examples
    schedule : Schedule
        With the same seed, examples and number of threads, the result is the same.
    repeats : sequence of int, optional
        How often an epoch shows each image; by default once.
    change : callable
        Random changes of an image and its masks.

    Returns
    -------
    Segmenter
        In evaluation mode.

    Raises
    ------
    InputError
        If there are no images.
    ModelError
        If the loss is no longer a number.
    """
    order = np.repeat(np.arange(len(examples)), 1 if repeats is None else repeats)
    if len(order) == 0:
        raise InputError("there are no images to fit the network on")
    steps = math.ceil(len(order) / schedule.batch_size)
    torch.manual_seed(schedule.seed)
    segmenter.train()
    average = moving_average(segmenter, schedule.decay)
    optimizer = torch.optim.AdamW(segmenter.parameters(), lr=schedule.lr, weight_decay=schedule.weight_decay)
    rate = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=schedule.lr, total_steps=steps * schedule.epochs
    )
    for epoch in range(schedule.epochs):
        start, total = time.monotonic(), 0.0
        for pixels, masks in _batches(examples, order, schedule, epoch, change):
            loss = known_loss(segmenter.logits(pixels), masks)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call, unused-ignore]
            optimizer.step()
            rate.step()
            average.update_parameters(segmenter)
            total += loss.item()
        if not np.isfinite(total):
            raise ModelError(f"the loss is {total} in epoch {epoch + 1}; take a lower learning rate")
        seconds = time.monotonic() - start
        log.info("epoch %d: loss %.4f, %.1f s", epoch + 1, total / steps, seconds)
    return cast(Segmenter, average.module.eval())


def _batches(
    examples: Examples, order: npt.NDArray[np.int_], schedule: Schedule, epoch: int, change: Augment
) -> Iterator[tuple[Tensor, Tensor]]:
    """Return the batches of an epoch; while the network takes one, a thread changes the next one.

    The last batch is filled up with images of the first ones: statistics of a small batch would be poor.
    """
    shuffled = np.random.default_rng([schedule.seed, epoch]).permutation(order)
    starts = range(0, len(shuffled), schedule.batch_size)
    shuffled = np.resize(shuffled, len(starts) * schedule.batch_size)

    def batch(start: int) -> tuple[Tensor, Tensor]:
        changed = [
            change(
                examples.pixels[index],
                examples.masks[index],
                np.random.default_rng([schedule.seed, epoch, place]),
            )
            for place, index in enumerate(shuffled[start : start + schedule.batch_size], start)
        ]
        pixels, masks = (np.stack(arrays) for arrays in zip(*changed, strict=True))
        return torch.from_numpy(pixels[:, None]), torch.from_numpy(masks)

    with ThreadPoolExecutor(1) as pool:
        ready = pool.submit(batch, starts[0])
        for following in (*starts[1:], None):
            current = ready.result()
            if following is not None:
                ready = pool.submit(batch, following)
            yield current
