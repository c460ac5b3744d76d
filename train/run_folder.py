"""Run folders: how they are named, which is the newest, and what is in one."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import ModelError
from ..machine.files import make_folder, write_text
from ..metrics.records import ClassMetrics
from ..models.card import ModelCard
from .config import TrainConfig

LATEST = "latest"
WEIGHTS = "best_unet.pth"
CARD = "model_card.json"
LAST = "last.ckpt"
HISTORY = "training_history.csv"
SPLITS = "splits.csv"
SCORES = "validation_scores.csv"


@dataclass(frozen=True)
class Run:
    """A finished run."""

    path: Path
    config: TrainConfig
    card: ModelCard

    @property
    def weights(self) -> Path:
        """The best epoch's weights, a plain state dict."""
        return self.path / WEIGHTS


def new_run_folder(runs: Path, name: str) -> Path:
    """Make `runs/<stamp>-<name>`, a folder that was not there; the name is made fit for a shell."""
    plain = re.sub(r"[^\w.-]+", "-", name).strip("-.")
    stem = f"{time.strftime('%Y%m%d-%H%M%S')}-{plain}"
    taken = 1
    folder = runs / stem
    while folder.exists():
        taken += 1
        folder = runs / f"{stem}-{taken}"
    return make_folder(folder)


def is_finished(folder: Path) -> bool:
    """Say whether a run went to its end: its card is written last."""
    return (folder / CARD).is_file()


def mark_latest(folder: Path) -> None:
    """Let `runs/latest` point to a finished run; where links are not possible it is a file with its name."""
    latest = folder.parent / LATEST
    beside = latest.with_name(f".{LATEST}.part")
    try:
        beside.unlink(missing_ok=True)
        beside.symlink_to(folder.name, target_is_directory=True)
        beside.replace(latest)
    except (OSError, NotImplementedError):
        write_text(latest, folder.name + "\n")


def find_run(path: Path | None = None) -> Path:
    """Find a finished run: the folder that is given, else the newest under `./runs`.

    Raises
    ------
    ModelError
        If there is none or it did not finish, with what to do.
    """
    folder = path if path is not None else _latest(Path("runs"))
    if not folder.is_dir():
        raise ModelError(f"{folder}: no such training run; make one with cxr-train")
    if not is_finished(folder):
        raise ModelError(f"{folder}: this run is not finished; go on with cxr-train --resume {folder}")
    return folder


def read_run(path: Path | None = None) -> Run:
    """Find a finished run and read its settings and card; see `find_run`."""
    folder = find_run(path)
    return Run(path=folder, config=TrainConfig.read(folder), card=ModelCard.read(folder / CARD))


def _latest(runs: Path) -> Path:
    latest = runs / LATEST
    if latest.is_dir():
        return latest.resolve()
    if latest.is_file():
        return runs / latest.read_text(encoding="utf-8").strip()
    raise ModelError(f"no finished training run under ./{runs}; make one with cxr-train")


@dataclass(frozen=True)
class TrainResult:
    """What a run made.

    Attributes
    ----------
    run : Path
        The run's folder.
    metrics : mapping of str to ClassMetrics
        For each class, on the validation split at the images' own resolution; empty in every process but
        the first of a distributed run.
    """

    run: Path
    epochs: int
    best_epoch: int
    seconds: float
    metrics: Mapping[str, ClassMetrics] = field(default_factory=dict)
