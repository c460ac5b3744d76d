"""Fit a plan with Lightning: `fit`."""

from __future__ import annotations

import logging
import signal
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import lightning
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, RichProgressBar
from torch.utils.data import DataLoader, RandomSampler

from ..machine.cores import usable_cores
from .evaluation import finish
from .plan import Plan
from .recorder import Recorder, read_history
from .run_folder import LAST, SPLITS, TrainResult, new_run_folder
from .task import SegmentationTask

PATIENCE = 5
_MOST_WORKERS = 8


def fit(plan: Plan, *, resume: Path | None = None, progress: bool = False) -> TrainResult:
    """Fit, judge and write; see `run.train_model`."""
    started = time.perf_counter()
    config = plan.config
    recorder = Recorder(lambda: resume or _open_folder(plan), config.seed)
    with _quiet():
        trainer = _trainer(plan, recorder, progress=progress)
        task = SegmentationTask(plan.segmenter, len(plan.dataset.classes), config.lr)
        _run(trainer, task, plan, resume)
    history = read_history(recorder.folder)
    best = max(history, key=lambda epoch: epoch.val_dice)
    metrics = finish(plan, recorder.folder, trainer.strategy.root_device) if trainer.is_global_zero else {}
    seconds = time.perf_counter() - started
    return TrainResult(recorder.folder, len(history), best.epoch, seconds, metrics)


def _open_folder(plan: Plan) -> Path:
    assert plan.config.name is not None
    folder = new_run_folder(plan.config.runs, plan.config.name)
    plan.config.write(folder, dataset_name=plan.dataset.name)
    plan.split.write(folder / SPLITS)
    return folder


def _trainer(plan: Plan, recorder: Recorder, *, progress: bool) -> lightning.Trainer:
    stopper = EarlyStopping("val_dice", mode="max", patience=PATIENCE, check_on_train_epoch_end=False)
    callbacks: list[Callback] = [stopper, recorder]
    if progress:
        callbacks.append(RichProgressBar())
    return lightning.Trainer(
        max_epochs=plan.config.epochs,
        devices=plan.config.devices,
        precision=_precision(),
        callbacks=callbacks,
        benchmark=True,
        num_sanity_val_steps=0,
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=progress,
    )


def _precision() -> Any:
    """Mixed precision where the hardware has it; on a CPU without matrix units bfloat16 is slower."""
    if not torch.cuda.is_available():
        return "32-true"
    return "bf16-mixed" if torch.cuda.is_bf16_supported() else "16-mixed"


def _run(trainer: lightning.Trainer, task: SegmentationTask, plan: Plan, resume: Path | None) -> None:
    workers = _workers(plan)
    common: dict[str, Any] = {
        "batch_size": plan.config.batch_size,
        "num_workers": workers,
        "persistent_workers": workers > 0,
        "worker_init_fn": _start_worker,
        "pin_memory": torch.cuda.is_available(),
        # An iterator draws a number when it is made, which on resuming is before the epoch is seeded.
        "generator": torch.Generator(),
    }
    # A last batch of one or two images would spoil the batch statistics.
    whole = len(plan.training_set) >= plan.config.batch_size
    order = RandomSampler(plan.training_set)
    training = DataLoader(plan.training_set, sampler=order, drop_last=whole, **common)
    validation = DataLoader(plan.validation_set, **common)
    checkpoint = str(resume / LAST) if resume else None
    on_interrupt = signal.getsignal(signal.SIGINT)
    try:
        trainer.fit(task, training, validation, ckpt_path=checkpoint, weights_only=True)
    except SystemExit as stop:
        if not isinstance(stop.__context__, KeyboardInterrupt):
            # A scheduler's SIGTERM; Lightning would leave as if all were done.
            raise SystemExit(128 + signal.SIGTERM) from stop
        # On Ctrl-C Lightning turns the signal off and ends the process; here the caller decides what ends.
        signal.signal(signal.SIGINT, on_interrupt)
        raise KeyboardInterrupt from stop


def _workers(plan: Plan) -> int:
    if plan.config.workers is not None:
        return plan.config.workers
    if plan.kept and not torch.cuda.is_available():
        return 0
    return min(usable_cores(), _MOST_WORKERS)


def _start_worker(_number: int) -> None:
    cv2.setNumThreads(0)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Lightning's tips off the screen; its errors and other warnings still come through."""
    named = logging.getLogger("lightning.pytorch"), logging.getLogger("lightning.fabric")
    levels = [log.level for log in named]
    for log in named:
        log.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*does not have many workers.*")
            warnings.filterwarnings("ignore", ".*LeafSpec.*")
            warnings.filterwarnings("ignore", ".*number of training batches.*")
            yield
    finally:
        for log, level in zip(named, levels, strict=True):
            log.setLevel(level)
