"""Fit a network on a data set, judge it, and leave a run folder that says everything: `train_model`."""

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
        Its folder, `<runs>/<stamp>-<name>`, holds the weights, the card, the split, the history and the
        plots; `<runs>/latest` points to it.

    Raises
    ------
    InputError
        If the data set cannot be used.
    ModelError
        If the network cannot be built.
    """
    _check_installed()
    from .fit import fit
    from .plan import make_plan

    return fit(make_plan(config), progress=progress)


def resume_training(run: Path, *, progress: bool = False) -> TrainResult:
    """Go on with a run that was stopped, from its last whole epoch and with its own settings.

    On the CPU, and with no worker processes, the result is the same as had it not been stopped.

    Raises
    ------
    InputError
        If the run is finished or has no checkpoint.
    ModelError
        If `run` is not a run's folder.
    """
    _check_installed()
    config = TrainConfig.read(run)
    if is_finished(run):
        raise InputError(f"{run}: this run is finished; start another with cxr-train")
    if not (run / LAST).is_file():
        raise InputError(f"{run}: no epoch was finished, so there is no {LAST} to go on from; start again")
    from .fit import fit
    from .plan import make_plan

    return fit(make_plan(config, resume=run), resume=run, progress=progress)


def _check_installed() -> None:
    for module in ("torch", "torchvision", "segmentation_models_pytorch", "lightning", "matplotlib"):
        require(module, extra="train")
