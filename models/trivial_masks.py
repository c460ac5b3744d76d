"""Trivial predictions of a class, whatever the image shows: no mask, the mean mask, the whole lung."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from ..data.datasets.index import INDEX, mask_classes
from ..data.datasets.open import open_dataset
from ..data.datasets.records import Dataset, Record
from ..data.image import Gray
from ..errors import InputError
from .card import PixelSpec
from .preprocess import Probability, compute_placement, restore_size

LUNG = "lung"
_LEVELS = 64

log = logging.getLogger(__name__)


class Baseline(StrEnum):
    """A prediction that does not depend on what the image shows."""

    EMPTY = "empty mask"
    MEAN = "mean mask"
    """The pixels that are in enough of the masks of other images."""
    WHOLE_LUNG = "whole lung mask"


@dataclass(frozen=True)
class MeanMask:
    """The mean of masks at the model's size, and the threshold with the best mean Dice on them."""

    mean: Probability
    threshold: float

    @classmethod
    def of(cls, masks: Sequence[Gray]) -> MeanMask:
        """Average masks (0 or 1, of one shape); choose the threshold among fractions of the largest mean."""
        mean = np.asarray(np.mean(masks, axis=0, dtype=np.float32))
        step = float(mean.max()) / _LEVELS or 1.0
        level = np.minimum((mean / step).astype(np.int64), _LEVELS)
        # Areas and intersections of {mean >= threshold} for all thresholds at once: sums from the top.
        predicted = _counts_from_top(level.ravel())
        dice = np.zeros(_LEVELS + 1)
        for mask in masks:
            if area := np.count_nonzero(mask):
                dice += 2 * _counts_from_top(level[mask > 0]) / np.maximum(predicted + area, 1)
        best = 1 + int(np.argmax(dice[1:]))
        return cls(mean, best * step)

    def predict(self, shape: tuple[int, int], spec: PixelSpec) -> Gray:
        """Return the mask at the size of an image, uint8 of `shape`."""
        restored = restore_size(self.mean, compute_placement(*shape, spec))
        return (restored >= np.float32(self.threshold * (1 - 1e-6))).astype(np.uint8)


def _counts_from_top(levels: np.ndarray) -> np.ndarray:
    counts = np.bincount(levels, minlength=_LEVELS + 1)
    return np.cumsum(counts[::-1])[::-1]


def lung_records(dataset: Dataset) -> Mapping[str, Record]:
    """Return the records whose lung mask is known, by key: of the class `lung`, else of its index column."""
    records = dataset.records
    if LUNG not in dataset.classes:
        path = dataset.root / INDEX
        if not path.is_file() or LUNG not in mask_classes(path):
            return {}
        try:
            records = open_dataset(dataset.root, classes=(LUNG,)).records
        except InputError as error:
            log.warning("the baseline '%s' is left out: %s", Baseline.WHOLE_LUNG, error)
            return {}
    return {record.key: record for record in records if record.has_truth((LUNG,))}


def trivial_masks(
    class_name: str, shape: tuple[int, int], spec: PixelSpec, mean: MeanMask | None, lung: Gray | None
) -> Iterator[tuple[Baseline, Gray]]:
    """Yield each baseline and its mask of one class, uint8 of `shape`.

    Parameters
    ----------
    class_name : str
        In the data set's terms: the lung is no baseline for the class `lung` itself.
    shape : tuple of int
        (height, width) of the image.
    spec : PixelSpec
        The size of `mean`.
    mean : MeanMask or None
        None: there is none for this class.
    lung : ndarray of uint8 or None
        The image's lung mask, if it is known.
    """
    yield Baseline.EMPTY, np.zeros(shape, np.uint8)
    if mean is not None:
        yield Baseline.MEAN, mean.predict(shape, spec)
    if lung is not None and class_name != LUNG:
        yield Baseline.WHOLE_LUNG, lung
