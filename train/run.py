"""Train a segmentation network, or resume an interrupted run."""

from __future__ import annotations

from pathlib import Path

from ..errors import InputError
from ..machine.extras import require
from .config import TrainConfig
from .run_folder import LAST, TrainResult, is_finished

__all__ = ["TrainConfig", "TrainResult", "resume_training", "train_model"]


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
    from .fit import fit
    from .preparation import prepare_run

    return fit(prepare_run(config), progress=progress)


def resume_training(run: Path, *, progress: bool = False) -> TrainResult:
    """Resume an interrupted run from its last finished epoch, with its own settings.

    On the CPU and without worker processes, the result equals that of an uninterrupted run.

    Raises
    ------
    InputError
        If the run is finished or has no checkpoint.
    ModelError
        If `run` is not the folder of a run, or its checkpoint is damaged.
    """
    _check_installed()
    config = TrainConfig.read(run)
    if is_finished(run):
        raise InputError(f"{run}: this run is finished; start a new one with cxr-train")
    if not (run / LAST).is_file():
        raise InputError(
            f"{run}: no epoch was finished, so there is no {LAST} to resume from; start a new run"
        )
    from .fit import fit
    from .preparation import prepare_run
    from .recorder import check_checkpoint

    check_checkpoint(run / LAST)
    return fit(prepare_run(config, resume=run), resume=run, progress=progress)


def _check_installed() -> None:
    for module in ("torch", "torchvision", "segmentation_models_pytorch", "lightning", "matplotlib"):
        require(module, extra="train")
