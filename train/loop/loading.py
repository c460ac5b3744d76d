"""Batches for training and validation, made while the network is busy with others."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from ...machine.cores import usable_cores
from ..images.sampling import TrainingSampler, ValidationSampler
from ..preparation import PreparedRun

_MAX_WORKERS = 8

Batch = tuple[Tensor, Tensor]


class LoadedAhead:
    """The batches of a loader without worker processes, each made in a thread while the one before is used.

    Parameters
    ----------
    loader : torch.utils.data.DataLoader
    """

    def __init__(self, loader: DataLoader[Batch]) -> None:
        self._loader = loader
        self.sampler = loader.sampler
        """Lightning chooses its epoch."""

    def __len__(self) -> int:
        """Count the batches of an epoch."""
        return len(self._loader)

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches of an epoch."""
        batches = iter(self._loader)
        with ThreadPoolExecutor(1) as pool:
            ready = pool.submit(next, batches, None)
            while (batch := ready.result()) is not None:
                ready = pool.submit(next, batches, None)
                yield batch


def training_batches(run: PreparedRun, first_epoch: int = 0) -> DataLoader[Batch] | LoadedAhead:
    """Return the batches of an epoch; each epoch has its own, chosen by the sampler's `set_epoch`.

    Parameters
    ----------
    run : PreparedRun
    first_epoch : int
        Lightning starts worker processes on the first epoch before it chooses one.
    """
    sampler = TrainingSampler(len(run.training_set), run.config.seed, run.weights)
    sampler.set_epoch(first_epoch)
    # A last batch of one or two images would distort the batch statistics.
    drop_last = len(sampler) >= run.config.batch_size
    loader = _loader(run, run.training_set, sampler, drop_last=drop_last)
    return loader if loader.num_workers else LoadedAhead(loader)


def validation_batches(run: PreparedRun) -> DataLoader[Batch]:
    """Return the batches of all validation images, in order."""
    return _loader(run, run.validation_set, ValidationSampler(len(run.validation_set)))


def _loader(run: PreparedRun, images: Any, sampler: Sampler[Any], **settings: Any) -> DataLoader[Batch]:
    workers = _workers(run)
    return DataLoader(
        images,
        batch_size=run.config.batch_size,
        sampler=sampler,
        num_workers=workers,
        persistent_workers=workers > 0,
        worker_init_fn=_start_worker,
        pin_memory=torch.cuda.is_available(),
        # Its iterators draw a number, which must not be one of the network's.
        generator=torch.Generator(),
        **settings,
    )


def _workers(run: PreparedRun) -> int:
    if run.config.workers is not None:
        return min(run.config.workers, len(run.training_set))
    if run.in_memory and not torch.cuda.is_available():
        return 0
    return min(usable_cores(), _MAX_WORKERS)


def _start_worker(_number: int) -> None:
    cv2.setNumThreads(0)
