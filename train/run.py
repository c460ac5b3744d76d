"""Train a segmentation network, or resume an interrupted run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from ..machine.extras import require
from .config import TrainConfig
from .run_folder import FOLDS, LAST, TrainResult, is_finished

if TYPE_CHECKING:
    from .folds import FoldsResult

__all__ = ["TrainConfig", "TrainResult", "resume_folds", "resume_training", "train_folds", "train_model"]


def train_model(config: TrainConfig, *, progress: bool = False) -> TrainResult:
    """Train a segmentation network.

    Parameters
    ----------
    config : TrainConfig
    progress : bool
        Show a progress bar.

    Returns
    -------
    TrainResult
        Its folder, `<runs>/<time>-<name>`, holds the weights, the card, the split, the history and the plots;
        `<runs>/latest` points to it.

    Raises
    ------
    InputError
        If the data set cannot be read or is too small.
    ModelError
        If the network cannot be built.
    """
    _check_installed()
    if config.folds is not None:
        raise InputError(f"{config.folds} folds are several runs; call train_folds")
    from .loop.fit import fit
    from .preparation import prepare_run

    return fit(prepare_run(config), progress=progress)


def train_folds(config: TrainConfig, *, progress: bool = False) -> FoldsResult:
    """Train `config.folds` networks, each scored on the patients that it has not seen.

    Parameters
    ----------
    config : TrainConfig
    progress : bool
        Show a progress bar.

    Returns
    -------
    FoldsResult
        Its folder, `<runs>/<time>-<name>`, holds a run per fold, the scores of all (`folds.csv`) and of each
        image (`out_of_fold_scores.csv`).

    Raises
    ------
    InputError
        If the data set cannot be read, or one of the folds could not be trained.
    ModelError
        If the network cannot be built.
    """
    _check_installed()
    from . import folds

    return folds.train_folds(config, progress=progress)


def resume_folds(run: Path, *, progress: bool = False) -> FoldsResult:
    """Resume an interrupted run of `train_folds`; finished folds are skipped.

    Raises
    ------
    InputError
        If it is finished, or its data set has changed.
    ModelError
        If `run` is not the folder of a run, or a checkpoint is damaged.
    """
    _check_installed()
    config = TrainConfig.read(run)
    if (run / FOLDS).is_file():
        raise InputError(f"{run}: this run is finished; start a new one with cxr-train")
    from . import folds

    return folds.train_folds(config, resume=run, progress=progress)


def resume_training(run: Path, *, progress: bool = False) -> TrainResult:
    """Resume an interrupted run from its last finished epoch, with its own settings.

    On the CPU the result equals that of an uninterrupted run, with any number of worker processes.

    Raises
    ------
    InputError
        If the run is finished or has no checkpoint.
    ModelError
        If `run` is not the folder of a run, or its checkpoint is damaged.
    """
    _check_installed()
    config = TrainConfig.read(run)
    if config.folds is not None:
        raise InputError(f"{run}: it holds {config.folds} folds; call resume_folds")
    if is_finished(run):
        raise InputError(f"{run}: this run is finished; start a new one with cxr-train")
    if not (run / LAST).is_file():
        raise InputError(
            f"{run}: no epoch was finished, so there is no {LAST} to resume from; start a new run"
        )
    from .loop.checkpoint import finished_epochs
    from .loop.fit import fit
    from .preparation import prepare_run

    finished = finished_epochs(run / LAST)  # before the images are read
    return fit(prepare_run(config, resume=run), resume=run, finished=finished, progress=progress)


def _check_installed() -> None:
    for module in ("torch", "torchvision", "segmentation_models_pytorch", "lightning", "matplotlib"):
        require(module, extra="train")
