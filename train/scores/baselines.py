"""Score the trivial predictions of each class on the validation images, with the mean of training masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ...data.datasets.masks import load_masks
from ...data.datasets.records import Record
from ...data.decode.reader import read_image
from ...data.image import Gray
from ...metrics.baselines import BaselineScore
from ...metrics.overlap import score
from ...models.card import PixelSpec
from ...models.trivial_masks import LUNG, MeanMask, trivial_masks
from ..images.dataset import SegmentationDataset

_MAX_MASKS = 2000


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
        See `models.trivial_masks.lung_records`.
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
            for baseline, predicted in trivial_masks(name, shape, spec, mean, lung):
                result = score(mask, predicted, key=record.key, patient_id=record.patient_id, class_name=name)
                scores.append(BaselineScore(record.key, record.patient_id, name, baseline, result.dice))
    return scores
