"""What an export takes from the data set that a run was fitted on: images and records of its two sides."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from ..data.datasets.open import open_dataset
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
class Sides:
    """The records of a run's split: those it was fitted on, and those it is judged on."""

    training: tuple[Record, ...]
    validation: tuple[Record, ...]


def parity_images(run: Run) -> list[Path]:
    """Give images of the run's validation split that are still on disk, spread over the split."""
    root = run.config.dataset
    paths = [root / key for key in Split.read(run.path / SPLITS).keys(Subset.VALIDATION)]
    there = [path for path in paths if path.is_file()]
    if not there:
        log.warning("%s: no validation image is there; parity is checked on noise only", root)
    return spread(there, PARITY_IMAGES)


def read_sides(run: Run) -> Sides:
    """Find the run's data set again, with its masks.

    Raises
    ------
    ModelError
        If it, or a part of it, is no longer there.
    """
    config = run.config
    try:
        dataset = open_dataset(config.dataset, classes=config.classes, findings=config.findings)
        split = Split.read(run.path / SPLITS)
        return Sides(split.select(dataset, Subset.TRAIN), split.select(dataset, Subset.VALIDATION))
    except InputError as error:
        raise ModelError(
            "a file of lower precision is judged on the run's validation split, and that cannot be read; "
            f"bring the data set back, or export without --int8 and --fp16: {error}"
        ) from error


def calibration_images(records: Sequence[Record], spec: PixelSpec) -> list[Gray]:
    """Read images, spread over the records, as the model gets them: uint8, shape (H, W)."""
    chosen = spread(records, CALIBRATION_IMAGES)
    return [prepare(read_image(record.path).pixels, spec)[0] for record in chosen]


def spread(items: Sequence[T], count: int) -> list[T]:
    """Take at most `count` items at even distances, from the first to the last."""
    if len(items) <= count:
        return list(items)
    return [items[index] for index in np.linspace(0, len(items) - 1, count).round().astype(int)]
