"""What a training run is told: one record, kept in the run's folder as `training.json`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from ..errors import InputError, ModelError
from ..machine.files import write_json

FILE = "training.json"
_STRIDE = 32


@dataclass(frozen=True)
class TrainConfig:
    """The settings of a run.

    Attributes
    ----------
    dataset : Path
        Folder in the NIH layout or the index.csv layout.
    classes, findings : tuple of str or None
        What to learn; None: all that the data set has.
    encoder_weights : str
        "imagenet", "none" or a path.
    decoder_channels : tuple of int or None
        Widths of the decoder; None: the default of the architecture.
    size : int
        Side of the model's square input in pixels, a multiple of 32.
    lr : float
        Highest learning rate of the one-cycle schedule.
    workers : int or None
        Processes that load images; None: as suits the machine.
    fold : int or None
        Which of the data set's own folds validates; None: as the split decides by `validation_fraction`.
    name : str or None
        Of the model and of the run's folder; None: the data set's.
    """

    dataset: Path = Path("NIH-Chest-X-ray-dataset")
    classes: tuple[str, ...] | None = None
    findings: tuple[str, ...] | None = None
    architecture: str = "unet"
    encoder: str = "timm-tf_efficientnet_lite0"
    encoder_weights: str = "imagenet"
    decoder_channels: tuple[int, ...] | None = None
    epochs: int = 10
    batch_size: int = 16
    size: int = 256
    lr: float = 1e-3
    workers: int | None = None
    devices: int = 1
    fold: int | None = None
    validation_fraction: float = 0.2
    seed: int = 0
    name: str | None = None
    runs: Path = Path("runs")

    def __post_init__(self) -> None:
        """Refuse settings that cannot work.

        Raises
        ------
        InputError
            Naming the setting and the value.
        """
        if self.size < _STRIDE or self.size % _STRIDE:
            raise InputError(f"size must be a multiple of {_STRIDE}, got {self.size}")
        for name in ("epochs", "batch_size", "devices"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.lr <= 0:
            raise InputError(f"lr must be positive, got {self.lr}")
        if self.name is not None and (not self.name or Path(self.name).name != self.name):
            raise InputError(f"name must be usable as a folder's name, got {self.name!r}")

    def write(self, folder: Path, *, dataset_name: str) -> None:
        """Keep the settings in a run's folder."""
        settings = msgspec.to_builtins(self, enc_hook=str)
        write_json(folder / FILE, {"dataset_name": dataset_name, "root": settings.pop("dataset"), **settings})

    @classmethod
    def read(cls, folder: Path) -> TrainConfig:
        """Read the settings of a run.

        Raises
        ------
        ModelError
            If the folder is not that of a run.
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
        return Path(value)
    raise NotImplementedError(f"no rule to read {kind}")
