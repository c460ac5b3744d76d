"""Lightning's trainer as this project uses it."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, RichProgressBar

from ...machine.allocator import keep_freed_memory
from ...machine.quiet import quiet_libraries
from .checkpoint import CheckpointFile

_LOGGERS = ("lightning.pytorch", "lightning.fabric")
_IGNORED_WARNINGS = (
    ".*does not have many workers.*",
    ".*LeafSpec.*",
    ".*number of training batches.*",
    ".*in eval mode at the start of training.*",  # a frozen encoder
)


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Silence Lightning, which logs and warns with tips on performance."""
    with quiet_libraries(loggers=_LOGGERS, level=logging.WARNING, ignored_warnings=_IGNORED_WARNINGS):
        yield


def make_trainer(
    epochs: int, callbacks: Sequence[Callback], *, devices: int = 1, progress: bool = False, **limits: Any
) -> lightning.Trainer:
    """Create a trainer that writes nothing by itself but checkpoints when asked to.

    Parameters
    ----------
    epochs : int
    callbacks : sequence of Callback
    devices : int
        GPUs, or processes on a CPU.
    progress : bool
        Show a progress bar.
    **limits
        Lightning's own, such as `limit_train_batches`.
    """
    keep_freed_memory()
    return lightning.Trainer(
        max_epochs=epochs,
        devices=devices,
        precision=_precision(),
        callbacks=[*callbacks, *([RichProgressBar()] if progress else [])],
        plugins=[CheckpointFile()],
        benchmark=True,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=progress,
        **limits,
    )


def _precision() -> Any:
    """Return mixed precision for GPUs; on a CPU without matrix units bfloat16 is slower."""
    if not torch.cuda.is_available():
        return "32-true"
    return "bf16-mixed" if torch.cuda.is_bf16_supported() else "16-mixed"
