"""The mean mask of other patients, as a trivial prediction that has not seen the image it is scored on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from ...data.datasets.masks import load_masks
from ...data.datasets.records import Record
from ...data.decode.reader import read_image
from ...data.image import Gray
from ...machine.interrupts import deferred_interrupts
from ...models.card import PixelSpec
from ...models.preprocess import prepare_mask
from ...models.trivial_masks import MeanMask
from ..concurrency import ordered_map, thread_pool

_GROUPS = 5
_MAX_IMAGES = 2000


@dataclass(frozen=True)
class MeanMasks:
    """Mean masks of the data set, without the group of patients that each is used for.

    Attributes
    ----------
    group_of : mapping of str to int
        The group of each patient.
    means : mapping of (str, int) to MeanMask
        By class of the data set and group left out.
    """

    group_of: Mapping[str, int]
    means: Mapping[tuple[str, int], MeanMask]

    def of(self, class_name: str, patient_id: str) -> MeanMask | None:
        """Return the mean of other patients' masks; None if no other shows the class."""
        return self.means.get((class_name, self.group_of[patient_id]))


def fit_mean_masks(
    records: Sequence[Record], classes: Sequence[str], spec: PixelSpec, threads: int
) -> MeanMasks:
    """Compute mean masks: patients form five groups, and each group gets the mean of the other four.

    Parameters
    ----------
    records : sequence of Record
        At most 2,000 of them, evenly chosen, are read.
    classes : sequence of str
        Of the data set.
    spec : PixelSpec
        The size of the mean masks: the model's.
    threads : int
    """
    patients = sorted({record.patient_id for record in records})
    groups = min(_GROUPS, len(patients))
    group_of = {patient: index % groups for index, patient in enumerate(patients)}
    by_class: dict[str, list[tuple[int, Gray]]] = {name: [] for name in classes}
    for record, masks in _small_masks(records, classes, spec, threads):
        for name, mask in masks.items():
            by_class[name].append((group_of[record.patient_id], mask))
    means = {}
    for name, masks_of_class in by_class.items():
        for group in range(groups):
            if others := [mask for own, mask in masks_of_class if own != group]:
                means[name, group] = MeanMask.of(others)
    return MeanMasks(group_of, means)


def _small_masks(
    records: Sequence[Record], classes: Sequence[str], spec: PixelSpec, threads: int
) -> Iterator[tuple[Record, dict[str, Gray]]]:
    chosen = np.linspace(0, len(records) - 1, min(len(records), _MAX_IMAGES)).round().astype(int)
    with deferred_interrupts(), thread_pool(threads) as pool:
        load = partial(_load, classes=classes, spec=spec)
        yield from ordered_map(pool, load, (records[index] for index in chosen), 2 * threads)


def _load(record: Record, classes: Sequence[str], spec: PixelSpec) -> tuple[Record, dict[str, Gray]]:
    """Return the masks of the classes that the image shows, at the model's size."""
    image = read_image(record.path)
    masks, _ = load_masks(record, classes, (image.height, image.width))
    small = {name: prepare_mask(mask, spec) for name, mask in zip(classes, masks, strict=True) if mask.any()}
    return record, {name: mask for name, mask in small.items() if mask.any()}
