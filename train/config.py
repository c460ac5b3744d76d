"""The settings of a training run, stored in its folder as `training.json`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from ..data.datasets.annotations.records import AnnotationFormat
from ..data.datasets.open import open_dataset
from ..data.datasets.records import Dataset
from ..errors import InputError, ModelError
from ..machine.files import write_json
from ..machine.limits import MAX_BATCH, MAX_REPEATS, MAX_SEED, MAX_SIDE, MAX_THREADS, check_range
from ..machine.paths import path_of
from .freeze import Freeze
from .options import Augmentation, Loss

FILE = "training.json"
_STRIDE = 32


@dataclass(frozen=True)
class TrainConfig:
    """The settings of a training run.

    Attributes
    ----------
    dataset : Path
        Folder in the NIH layout or the index.csv layout.
    classes, findings : tuple of str or None
        What to segment; None: everything that the data set has.
    masks : AnnotationFormat or None
        The format of annotation files whose masks are used in place of those of the layout.
    annotations : tuple of Path
        Those files, where the data set's folder does not hold them; see `open_dataset`.
    architecture, encoder : str or None
        None: those of `init`, else `models.network.DEFAULT_NETWORK`.
    encoder_weights : str
        "imagenet", "none" or a path.
    init : str or None
        The model whose weights training starts from: the name of a shipped one, the path of an exported
        float file, of a run folder, or of a run's `.pth` or `.ckpt` file.
    freeze : Freeze
        What is not trained.
    decoder_channels : tuple of int or None
        Widths of the decoder; None: those of `init`, else the defaults for the architecture.
    size : int
        Side of the model's square input in pixels, a multiple of 32.
    lr : float
        Highest learning rate of the one-cycle schedule.
    augmentation : Augmentation
        How far training images are changed at random.
    loss : Loss
        What training minimizes.
    ema : float or None
        Decay of the moving average of the weights, which is then what is validated and kept; None: none.
    balance : bool
        Draw images that show a rare class more often; see `sampling.balanced_weights`.
    workers : int or None
        Processes that load images; None: chosen for the machine.
    fold : int or None
        Fold of the data set used for validation; None: its first fold, or without folds a random fraction
        of the patients (`validation_fraction`).
    folds : int or None
        Train as many networks, each validated on other patients; see `folds.train_folds`.
    fingerprint : bool
        Store a fingerprint of the images in the model card, by which they are recognized later.
    name : str or None
        Name of the model and of the run folder; None: the name of the data set.
    """

    dataset: Path = Path("NIH-Chest-X-ray-dataset")
    classes: tuple[str, ...] | None = None
    findings: tuple[str, ...] | None = None
    masks: AnnotationFormat | None = None
    annotations: tuple[Path, ...] = ()
    architecture: str | None = None
    encoder: str | None = None
    encoder_weights: str = "imagenet"
    init: str | None = None
    freeze: Freeze = Freeze.NONE
    decoder_channels: tuple[int, ...] | None = None
    epochs: int = 10
    batch_size: int = 16
    size: int = 256
    lr: float = 1e-3
    augmentation: Augmentation = Augmentation.STANDARD
    loss: Loss = Loss.BCE_DICE
    ema: float | None = None
    balance: bool = False
    workers: int | None = None
    devices: int = 1
    fold: int | None = None
    folds: int | None = None
    validation_fraction: float = 0.2
    seed: int = 0
    fingerprint: bool = True
    name: str | None = None
    runs: Path = Path("runs")

    def __post_init__(self) -> None:
        """Check the settings.

        Raises
        ------
        InputError
            If one is invalid; it names the setting and the value.
        """
        if self.size < _STRIDE or self.size % _STRIDE:
            raise InputError(f"size must be a multiple of {_STRIDE}, got {self.size}")
        check_range("size", self.size, _STRIDE, MAX_SIDE)
        check_range("epochs", self.epochs, 1, MAX_REPEATS)
        check_range("batch_size", self.batch_size, 1, MAX_BATCH)
        check_range("devices", self.devices, 1, MAX_THREADS)
        check_range("workers", self.workers, 0, MAX_THREADS)
        check_range("seed", self.seed, 0, MAX_SEED)
        if self.init is not None and self.encoder_weights not in ("imagenet", "none"):
            raise InputError(
                f"init takes all weights from {self.init}; leave out encoder_weights {self.encoder_weights!r}"
            )
        if self.freeze is Freeze.ENCODER and self.init is None and self.encoder_weights == "none":
            raise InputError("freeze encoder: its weights would stay random; give init, or encoder_weights")
        check_range("folds", self.folds, 2, MAX_REPEATS)
        if self.folds is not None and self.fold is not None:
            raise InputError(f"fold {self.fold} is one of {self.folds} folds; give one of the two settings")
        if self.folds is not None and self.devices > 1:
            raise InputError("folds are trained on one device each; leave out devices, or folds")
        if self.ema is not None and not 0 < self.ema < 1:
            raise InputError(f"ema must lie between 0 and 1, got {self.ema}")
        if not 0 < self.lr < math.inf:
            raise InputError(f"lr must be positive, got {self.lr}")
        if self.name is not None and (not self.name or Path(self.name).name != self.name):
            raise InputError(f"name must be valid as the name of a folder, got {self.name!r}")

    def open_dataset(self) -> Dataset:
        """Open the data set; see `cxr.open_dataset`."""
        return open_dataset(
            self.dataset,
            classes=self.classes,
            findings=self.findings,
            masks=self.masks,
            annotations=self.annotations,
        )

    def write(self, folder: Path, *, dataset_name: str) -> None:
        """Write the settings to a run folder."""
        settings = msgspec.to_builtins(self, enc_hook=str)
        write_json(folder / FILE, {"dataset_name": dataset_name, "root": settings.pop("dataset"), **settings})

    @classmethod
    def read(cls, folder: Path) -> TrainConfig:
        """Read the settings of a run from its folder.

        Raises
        ------
        ModelError
            If it is not the folder of a run.
        """
        path = folder / FILE
        try:
            settings = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
            return msgspec.convert({**settings, "dataset": settings["root"]}, cls, dec_hook=_decode)
        except OSError as error:
            raise ModelError(f"{folder}: not a training run (no readable {FILE})") from error
        except (msgspec.MsgspecError, KeyError, InputError) as error:
            raise ModelError(f"{path}: not the settings of a training run: {error}") from error


def _decode(kind: type, value: Any) -> Any:
    if kind is Path:
        return path_of(value)
    raise NotImplementedError(f"cannot decode {kind}")
