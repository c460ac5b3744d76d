"""Fit a network with Lightning."""

from __future__ import annotations

import logging
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import lightning
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, RichProgressBar
from torch.utils.data import DataLoader, RandomSampler

from ..errors import CxrError
from ..machine.cores import usable_cores
from ..machine.quiet import quiet_libraries
from .evaluation import evaluate_run
from .preparation import PreparedRun
from .recorder import Recorder, read_history
from .run_folder import LAST, SPLITS, TrainResult, new_run_folder, write_ancestor
from .task import SegmentationTask

PATIENCE = 5
_MAX_WORKERS = 8
_LOGGERS = ("lightning.pytorch", "lightning.fabric")
_IGNORED_WARNINGS = (".*does not have many workers.*", ".*LeafSpec.*", ".*number of training batches.*")


def fit(run: PreparedRun, *, resume: Path | None = None, progress: bool = False) -> TrainResult:
    """Fit the network, evaluate its best epoch and write the results; see `run.train_model`."""
    started = time.perf_counter()
    config = run.config
    recorder = Recorder(lambda: resume or _open_folder(run), config.seed)
    # Lightning logs and warns with tips on performance.
    with quiet_libraries(loggers=_LOGGERS, level=logging.WARNING, ignored_warnings=_IGNORED_WARNINGS):
        trainer = _trainer(run, recorder, progress=progress)
        task = SegmentationTask(run.segmenter, len(run.dataset.classes), config.lr, freeze=config.freeze)
        _fit_network(trainer, task, run, resume)
    history = read_history(recorder.folder)
    best = max(history, key=lambda epoch: epoch.val_dice)
    result = TrainResult(recorder.folder, len(history), best.epoch, time.perf_counter() - started)
    if not trainer.is_global_zero:
        return result
    card = evaluate_run(run, recorder.folder, trainer.strategy.root_device)
    seconds = time.perf_counter() - started
    return replace(result, seconds=seconds, metrics=card.metrics, baselines=card.baselines)


def _open_folder(run: PreparedRun) -> Path:
    assert run.config.name is not None
    folder = new_run_folder(run.config.runs, run.config.name)
    run.config.write(folder, dataset_name=run.dataset.name)
    run.split.write(folder / SPLITS)
    write_ancestor(folder, run.ancestor)
    return folder


def _trainer(run: PreparedRun, recorder: Recorder, *, progress: bool) -> lightning.Trainer:
    stopper = EarlyStopping("val_dice", mode="max", patience=PATIENCE, check_on_train_epoch_end=False)
    callbacks: list[Callback] = [stopper, recorder]
    if progress:
        callbacks.append(RichProgressBar())
    return lightning.Trainer(
        max_epochs=run.config.epochs,
        devices=run.config.devices,
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
    """Return mixed precision for GPUs; on a CPU without matrix units bfloat16 is slower."""
    if not torch.cuda.is_available():
        return "32-true"
    return "bf16-mixed" if torch.cuda.is_bf16_supported() else "16-mixed"


def _fit_network(
    trainer: lightning.Trainer, task: SegmentationTask, run: PreparedRun, resume: Path | None
) -> None:
    workers = _workers(run)
    common: dict[str, Any] = {
        "batch_size": run.config.batch_size,
        "num_workers": workers,
        "persistent_workers": workers > 0,
        "worker_init_fn": _start_worker,
        "pin_memory": torch.cuda.is_available(),
        # Each iterator draws a number when it is created; when resuming, that is before the epoch is seeded.
        "generator": torch.Generator(),
    }
    # A last batch of one or two images would distort the batch statistics.
    drop_last = len(run.training_set) >= run.config.batch_size
    order = RandomSampler(run.training_set)
    training = DataLoader(run.training_set, sampler=order, drop_last=drop_last, **common)
    validation = DataLoader(run.validation_set, **common)
    checkpoint = str(resume / LAST) if resume else None
    on_interrupt = signal.getsignal(signal.SIGINT)
    try:
        trainer.fit(task, training, validation, ckpt_path=checkpoint, weights_only=True)
    except CxrError as error:
        raise _without_traceback(error) from error
    except SystemExit as stop:
        if not isinstance(stop.__context__, KeyboardInterrupt):
            # SIGTERM of a scheduler; Lightning would exit as if training had finished.
            raise SystemExit(128 + signal.SIGTERM) from stop
        # On Ctrl-C Lightning ignores the signal from then on and exits; here the caller decides.
        signal.signal(signal.SIGINT, on_interrupt)
        raise KeyboardInterrupt from stop


def _without_traceback(error: CxrError) -> CxrError:
    """Return an error of a process that loads images without the traceback in its text."""
    if "Original Traceback" not in str(error):
        return error
    # The last line is "cxr.errors.DecodeError: a.png: ...".
    return type(error)(str(error).strip().splitlines()[-1].partition(": ")[2])


def _workers(run: PreparedRun) -> int:
    if run.config.workers is not None:
        return min(run.config.workers, len(run.training_set))
    if run.in_memory and not torch.cuda.is_available():
        return 0
    return min(usable_cores(), _MAX_WORKERS)


def _start_worker(_number: int) -> None:
    cv2.setNumThreads(0)
