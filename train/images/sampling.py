"""Which images an epoch shows, in which order, and with which random changes.

All of it follows from the seed, the epoch and the place in the epoch, never from who loads the image: any
number of worker processes gives the same batches, and a resumed run the same as one that was not interrupted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Sampler

from .dataset import Draw

_COMMON = 0.5
"""A class that this fraction of the images shows is common enough."""

Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int_]
Item = TypeVar("Item")


class TrainingSampler(Sampler[Draw]):
    """Draw as many images per epoch as there are; in a distributed run, the share of this process.

    Parameters
    ----------
    count : int
        Number of images.
    seed : int
    weights : ndarray of float64, shape (count,), optional
        How often to draw each image, relative to the others; by default each once. Every image is drawn
        as often as its share of the epoch, rounded down or up.
    """

    def __init__(self, count: int, seed: int, weights: Floats | None = None) -> None:
        self._count, self._seed, self._weights = count, seed, weights
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch; Lightning calls this before each."""
        self._epoch = epoch

    def __len__(self) -> int:
        """Count the images of this process in an epoch."""
        return len(own_share(range(self._count)))

    def __iter__(self) -> Iterator[Draw]:
        """Yield the epoch."""
        rng = np.random.default_rng((self._seed, self._epoch))
        order = rng.permutation(self._count)
        if self._weights is not None:
            order = rng.permutation(_systematic(order, self._weights[order], rng))
        draws = [Draw(index, (self._seed, self._epoch, place)) for place, index in enumerate(order.tolist())]
        yield from own_share(draws)


class ValidationSampler(Sampler[int]):
    """All images in order; in a distributed run, the share of this process."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        """Count the images of this process."""
        return len(own_share(range(self._count)))

    def __iter__(self) -> Iterator[int]:
        """Yield the numbers of the images."""
        yield from own_share(range(self._count))


def own_share(items: Sequence[Item]) -> Sequence[Item]:
    """Return every n-th item in process k of n of a distributed run; as many in each, so a few may repeat."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return items
    rank, world = torch.distributed.get_rank(), torch.distributed.get_world_size()
    each = -(-len(items) // world)
    return [items[(rank + number * world) % len(items)] for number in range(each)]


def balanced_weights(present: Sequence[Sequence[bool]], known: Sequence[Sequence[bool]]) -> Floats:
    """Compute how often to draw each image so that rare classes are seen more often.

    A class shown by the fraction f < 1/2 of the images in which it is known asks for its images to be drawn
    sqrt(1 / 2f) times as often; an image is drawn as often as the class it shows that asks for most
    (repeat-factor sampling, Gupta et al. 2019, arXiv:1908.03195).

    Parameters
    ----------
    present, known : sequence of sequence of bool, shape (images, classes)
        Whether an image shows each class, and whether that is known.

    Returns
    -------
    ndarray of float64, shape (images,)
        1 for an image that shows no rare class.
    """
    shown, of = np.asarray(present, bool), np.asarray(known, bool)
    fraction = shown.sum(0) / np.maximum(of.sum(0), 1)
    repeats = np.sqrt(np.maximum(_COMMON / np.where(fraction > 0, fraction, _COMMON), 1))
    weights: Floats = np.where(shown, repeats, 1.0).max(1)
    return weights


def _systematic(items: Numbers, weights: Floats, rng: np.random.Generator) -> Numbers:
    """Draw as many items as there are, each as often as its weight's share, rounded down or up."""
    ends = np.cumsum(weights / weights.sum() * len(items))
    ends[-1] = len(items)
    return items[np.searchsorted(ends, np.arange(len(items)) + rng.random(), side="right")]
