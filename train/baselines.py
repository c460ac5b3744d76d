"""Trivial predictions of each class on the validation images: no mask, the mean mask, the whole lung."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from ..data.datasets.index import INDEX, mask_classes
from ..data.datasets.masks import load_masks
from ..data.datasets.open import open_dataset
from ..data.datasets.records import Dataset, Record
from ..data.decode.reader import read_image
from ..data.image import Gray
from ..errors import InputError
from ..metrics.baselines import BaselineScore
from ..metrics.overlap import score
from ..models.card import PixelSpec
from ..models.preprocess import Probability, compute_placement, restore_size
from .dataset import SegmentationDataset

LUNG = "lung"
_MAX_MASKS = 2000
_LEVELS = 64

log = logging.getLogger(__name__)


class Baseline(StrEnum):
    """A prediction that does not depend on what the image shows."""

    EMPTY = "empty mask"
    MEAN = "mean mask"
    """The pixels that are in enough of the training masks."""
    WHOLE_LUNG = "whole lung mask"


@dataclass(frozen=True)
class MeanMask:
    """The mean of training masks at the model's size, and the threshold with the best mean Dice on them."""

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


def mean_masks(training_set: SegmentationDataset, classes: int) -> list[MeanMask | None]:
    """Compute the mean mask of each class from at most 2,000 training images; None if none shows it."""
    chosen = np.linspace(0, len(training_set) - 1, min(len(training_set), _MAX_MASKS)).round().astype(int)
    by_class: list[list[Gray]] = [[] for _ in range(classes)]
    for index in chosen:
        _, masks = training_set.arrays(int(index))
        for number, mask in enumerate(masks):
            if (mask == 1).any():
                by_class[number].append(mask)
    return [MeanMask.of(masks) if masks else None for masks in by_class]


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


def score_baselines(
    records: Sequence[Record],
    classes: Sequence[str],
    spec: PixelSpec,
    means: Sequence[MeanMask | None],
    lungs: Mapping[str, Record],
) -> list[BaselineScore]:
    """Score every baseline on every image that shows a class.

    Parameters
    ----------
    records : sequence of Record
        The validation images.
    classes, spec
        As in the model's card.
    means : sequence of MeanMask or None
        For each class.
    lungs : mapping of str to Record
        See `lung_records`; the lung is no baseline for the class `lung` itself.
    """
    scores = []
    for record in records:
        if not record.has_truth(classes):
            continue
        image = read_image(record.path)
        shape = (image.height, image.width)
        masks, _ = load_masks(record, classes, shape)
        lung = load_masks(lungs[record.key], (LUNG,), shape)[0][0] if record.key in lungs else None
        for name, mask, mean in zip(classes, masks, means, strict=True):
            if not mask.any():
                continue
            for baseline, predicted in _predictions(name, shape, spec, mean, lung):
                result = score(mask, predicted, key=record.key, patient_id=record.patient_id, class_name=name)
                scores.append(BaselineScore(record.key, record.patient_id, name, baseline, result.dice))
    return scores


def _predictions(
    class_name: str, shape: tuple[int, int], spec: PixelSpec, mean: MeanMask | None, lung: Gray | None
) -> Iterator[tuple[Baseline, Gray]]:
    yield Baseline.EMPTY, np.zeros(shape, np.uint8)
    if mean is not None:
        yield Baseline.MEAN, mean.predict(shape, spec)
    if lung is not None and class_name != LUNG:
        yield Baseline.WHOLE_LUNG, lung
