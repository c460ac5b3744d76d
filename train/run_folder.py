"""Run folders: their names and files, and the latest finished run."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from ..errors import ModelError
from ..machine.files import make_folder, write_json, write_text
from ..metrics.records import BaselineMetrics, ClassMetrics
from ..models.ancestor import Ancestor
from ..models.card import ModelCard
from .config import FILE, TrainConfig

log = logging.getLogger(__name__)

_START = re.compile(r"\d{8}-\d{6}-")

LATEST = "latest"
WEIGHTS = "best_unet.pth"
CARD = "model_card.json"
LAST = "last.ckpt"
ANCESTOR = "ancestor.json"
HISTORY = "training_history.csv"
SPLITS = "splits.csv"
SCORES = "validation_scores.csv"
BASELINE_SCORES = "baseline_scores.csv"
FOLDS = "folds.csv"
FOLD_SCORES = "out_of_fold_scores.csv"


@dataclass(frozen=True)
class Run:
    """A finished run."""

    path: Path
    config: TrainConfig
    card: ModelCard

    @property
    def weights(self) -> Path:
        """The weights of the best epoch, a plain state dict."""
        return self.path / WEIGHTS


def new_run_folder(runs: Path, name: str) -> Path:
    """Create the new folder `runs/<time>-<name>`; characters that a shell would interpret become dashes."""
    plain = re.sub(r"[^\w.-]+", "-", name).strip("-.")
    stem = f"{time.strftime('%Y%m%d-%H%M%S')}-{plain}"
    number = 1
    folder = runs / stem
    while folder.exists():
        number += 1
        folder = runs / f"{stem}-{number}"
    return make_folder(folder)


def write_ancestor(folder: Path, ancestor: Ancestor | None) -> None:
    """Write what a run was initialized from to its folder; nothing, if it was not."""
    if ancestor is not None:
        write_json(folder / ANCESTOR, msgspec.to_builtins(ancestor))


def read_ancestor(folder: Path) -> Ancestor | None:
    """Read what a run was initialized from; None if it was not.

    Raises
    ------
    ModelError
        If the file is damaged.
    """
    path = folder / ANCESTOR
    if not path.is_file():
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=Ancestor)
    except (OSError, msgspec.MsgspecError) as error:
        raise ModelError(f"{path}: not what a run was initialized from ({error})") from error


def is_finished(folder: Path) -> bool:
    """Return whether a run is finished; its card is written last."""
    return (folder / CARD).is_file()


def fold_folder(folder: Path, number: int) -> Path:
    """Return the folder of one fold, counted from 1, in that of all."""
    return folder / f"fold-{number}"


def is_fold(folder: Path) -> bool:
    """Return whether a run is one of several folds, whose common folder has settings of its own."""
    return (folder.parent / FILE).is_file()


def mark_latest(folder: Path) -> None:
    """Point `runs/latest` to a finished run; where links are not supported, it is a file with its name.

    A folder of that name, as in a copy of `runs` in which links were followed, is left; `find_run` passes
    over it.
    """
    latest = folder.parent / LATEST
    if latest.is_dir() and not latest.is_symlink():
        log.warning("%s: left unchanged, since it is a folder and no link to the latest run", latest)
        return
    temporary = latest.with_name(f".{LATEST}.part")
    try:
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(folder.name, target_is_directory=True)
        temporary.replace(latest)
    except (OSError, NotImplementedError):
        temporary.unlink(missing_ok=True)
        write_text(latest, folder.name + "\n")


def find_run(path: Path | None = None) -> Path:
    """Return the folder of a finished run: `path` if given, else the latest under `./runs`.

    Raises
    ------
    ModelError
        If there is none, or it is not finished.
    """
    folder = path if path is not None else _latest(Path("runs"))
    if not folder.is_dir():
        raise ModelError(f"{folder}: this training run does not exist; make one with cxr-train")
    if (folder / FOLDS).is_file():
        raise ModelError(
            f"{folder}: it holds one run per fold; name one of them, as in {fold_folder(folder, 1)}"
        )
    if not is_finished(folder):
        raise ModelError(f"{folder}: this run is not finished; resume it with cxr-train --resume {folder}")
    return folder


def read_run(path: Path | None = None) -> Run:
    """Find a finished run and read its settings and card; see `find_run`."""
    folder = find_run(path)
    return Run(path=folder, config=TrainConfig.read(folder), card=ModelCard.read(folder / CARD))


def _latest(runs: Path) -> Path:
    """Return the run that `runs/latest` points to; where that points to none, the newest finished run."""
    latest = runs / LATEST
    if latest.is_symlink() and latest.is_dir():
        return latest.resolve()
    if latest.is_file():
        name = latest.read_text(encoding="utf-8", errors="replace").strip()
        if name and Path(name).name == name and (runs / name).is_dir():
            return runs / name
    finished = [folder for folder in runs.glob("*") if is_finished(folder)]
    originals = [folder for folder in finished if folder.name != LATEST] or finished
    if not originals:
        raise ModelError(f"no finished training run under ./{runs}; make one with cxr-train")
    newest = max(originals, key=_age)
    if latest.is_symlink() or latest.exists():
        log.warning("%s: points to no run; using the newest finished one, %s", latest, newest)
    return newest


def _age(folder: Path) -> tuple[str, int]:
    """Return what sorts runs by age: the time in the name, which copies keep, then that of the card."""
    started = _START.match(folder.name)
    return started[0] if started else "", (folder / CARD).stat().st_mtime_ns


@dataclass(frozen=True)
class TrainResult:
    """The result of a training run.

    Attributes
    ----------
    run : Path
        The run folder.
    metrics : mapping of str to ClassMetrics
        For each class, on the validation images at their own resolution; in a distributed run, empty in all
        processes but the first.
    baselines : mapping of str to tuple of BaselineMetrics
        For each class, trivial predictions on the same images.
    """

    run: Path
    epochs: int
    best_epoch: int
    seconds: float
    metrics: Mapping[str, ClassMetrics] = field(default_factory=dict)
    baselines: Mapping[str, tuple[BaselineMetrics, ...]] = field(default_factory=dict)
