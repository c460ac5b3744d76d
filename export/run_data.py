"""The training and validation records of a run, and images of them for parity and calibration."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from ..data.datasets.records import Record
from ..data.datasets.splits import Split, Subset
from ..data.decode.reader import read_image
from ..data.image import Gray
from ..errors import InputError, ModelError
from ..models.card import PixelSpec
from ..models.preprocess import prepare
from ..train.run_folder import SPLITS, Run

PARITY_IMAGES = 64
CALIBRATION_IMAGES = 96

T = TypeVar("T")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SplitRecords:
    """The records that a run was trained on, and those it was validated on."""

    training: tuple[Record, ...]
    validation: tuple[Record, ...]


def parity_images(run: Run) -> list[Path]:
    """Return images of the run's validation subset that still exist, evenly sampled."""
    root = run.config.dataset
    paths = [root / key for key in Split.read(run.path / SPLITS).keys(Subset.VALIDATION)]
    existing = [path for path in paths if path.is_file()]
    if not existing:
        log.warning("%s: no validation image of the run exists; parity is checked on noise only", root)
    return sample_evenly(existing, PARITY_IMAGES)


def read_split_records(run: Run) -> SplitRecords:
    """Open the run's data set again and select the records of its split.

    Raises
    ------
    ModelError
        If the data set, or a part of it, no longer exists.
    """
    config = run.config
    try:
        dataset = config.open_dataset()
        split = Split.read(run.path / SPLITS)
        return SplitRecords(split.select(dataset, Subset.TRAIN), split.select(dataset, Subset.VALIDATION))
    except InputError as error:
        raise ModelError(
            "a file of lower precision is evaluated on the run's validation images, which cannot be read; "
            f"restore the data set, or export without --int8 and --fp16: {error}"
        ) from error


def calibration_images(records: Sequence[Record], spec: PixelSpec) -> list[Gray]:
    """Read evenly sampled images and preprocess them: uint8, shape (H, W)."""
    chosen = sample_evenly(records, CALIBRATION_IMAGES)
    return [prepare(read_image(record.path).pixels, spec)[0] for record in chosen]


def sample_evenly(items: Sequence[T], count: int) -> list[T]:
    """Return at most `count` items at even distances, the first and the last included."""
    if len(items) <= count:
        return list(items)
    return [items[index] for index in np.linspace(0, len(items) - 1, count).round().astype(int)]
