"""Fit a network with Lightning."""

from __future__ import annotations

import signal
import time
from dataclasses import replace
from pathlib import Path

import lightning
from lightning.pytorch.callbacks import EarlyStopping

from ...errors import CxrError
from ...machine.files import make_folder
from ..preparation import PreparedRun
from ..run_folder import LAST, SPLITS, TrainResult, is_fold, mark_latest, new_run_folder, write_ancestor
from ..scores.evaluation import evaluate_run
from ..scores.history import PATIENCE, best_epoch, is_complete, read_history
from .loading import training_batches, validation_batches
from .recorder import Recorder
from .task import SegmentationTask
from .trainer import make_trainer, quiet_lightning


def fit(
    run: PreparedRun,
    *,
    folder: Path | None = None,
    resume: Path | None = None,
    finished: int = 0,
    progress: bool = False,
) -> TrainResult:
    """Fit the network, evaluate its best epoch and write the results; see `run.train_model`.

    Parameters
    ----------
    run : PreparedRun
    folder : Path, optional
        A new run's folder; by default `<runs>/<time>-<name>`.
    resume : Path, optional
        The folder of a run to resume.
    finished : int
        The epochs in its checkpoint.
    progress : bool
    """
    started = time.perf_counter()
    config = run.config
    recorder = Recorder(lambda: resume or _open_folder(run, folder), config.seed)
    stopper = EarlyStopping("val_dice", mode="max", patience=PATIENCE, check_on_train_epoch_end=False)
    with quiet_lightning():
        trainer = make_trainer(config.epochs, [stopper, recorder], devices=config.devices, progress=progress)
        # A run may have been stopped after its last epoch.
        if resume is None or not is_complete(read_history(resume), config.epochs):
            _fit_network(trainer, run, resume / LAST if resume else None, finished)
    written = resume or recorder.folder
    history = read_history(written)
    best, seconds = best_epoch(history).epoch, time.perf_counter() - started
    result = TrainResult(written, len(history), best, seconds)
    if not trainer.is_global_zero:
        return result
    card = evaluate_run(run, written, trainer.strategy.root_device)
    if not is_fold(written):
        mark_latest(written)
    seconds = time.perf_counter() - started
    return replace(result, seconds=seconds, metrics=card.metrics, baselines=card.baselines)


def _open_folder(run: PreparedRun, chosen: Path | None) -> Path:
    assert run.config.name is not None
    folder = make_folder(chosen) if chosen else new_run_folder(run.config.runs, run.config.name)
    run.config.write(folder, dataset_name=run.dataset.name)
    run.split.write(folder / SPLITS)
    write_ancestor(folder, run.ancestor)
    return folder


def _fit_network(
    trainer: lightning.Trainer, run: PreparedRun, checkpoint: Path | None, finished: int
) -> None:
    config = run.config
    task = SegmentationTask(
        run.segmenter,
        len(run.dataset.classes),
        config.lr,
        loss=config.loss,
        ema=config.ema,
        freeze=config.freeze,
    )
    training, validation = training_batches(run, finished), validation_batches(run)
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
