"""Splits into training and validation by patient: made, checked, written to and read from splits.csv."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np

from ...errors import InputError
from ..csv_files import csv_text, read_csv_rows, write_csv
from .patient_key import patient_key
from .records import Dataset, Record

_COLUMNS = ("key", "patient_id", "part")


class Subset(StrEnum):
    """The two subsets of a split; the column `part` of splits.csv."""

    TRAIN = "train"
    VALIDATION = "validation"


@dataclass(frozen=True)
class Split:
    """The subset and the patient of each image.

    Attributes
    ----------
    subsets : mapping of str to Subset
        By the image's key.
    patients : mapping of str to str
        The patient, by the image's key.
    """

    subsets: Mapping[str, Subset]
    patients: Mapping[str, str]

    def __post_init__(self) -> None:
        """Check that no patient is in both subsets, not even under two spellings (see `patient_key`).

        Raises
        ------
        InputError
            If one is, or if `subsets` and `patients` do not have the same keys.
        """
        if self.subsets.keys() != self.patients.keys():
            raise InputError("split: its subsets and its patients do not have the same images")
        training, validation = self._patients(Subset.TRAIN), self._patients(Subset.VALIDATION)
        if both := sorted(training.keys() & validation.keys()):
            spellings = sorted(training[both[0]] | validation[both[0]])
            raise InputError(
                f"split: {len(both)} patients are in both training and validation, such as "
                f"{' = '.join(map(repr, spellings)) if len(spellings) > 1 else spellings[0]}"
            )

    @property
    def hash(self) -> str:
        """SHA-256 of the split's content, independent of the order of its rows."""
        return hashlib.sha256(csv_text(_COLUMNS, self._rows()).encode()).hexdigest()

    def keys(self, subset: Subset) -> tuple[str, ...]:
        """Return the keys of one subset, sorted."""
        return tuple(sorted(key for key, member in self.subsets.items() if member is subset))

    def select(self, dataset: Dataset, subset: Subset) -> tuple[Record, ...]:
        """Return the records of one subset, in the data set's order.

        Raises
        ------
        InputError
            If the data set lacks an image of the split.
        """
        if missing := self.subsets.keys() - {record.key for record in dataset.records}:
            raise InputError(
                f"{dataset.root}: {len(missing)} images of the split are missing, such as {min(missing)}"
            )
        return tuple(record for record in dataset.records if self.subsets.get(record.key) is subset)

    def write(self, path: Path) -> None:
        """Write the split as CSV: key, patient_id, part."""
        write_csv(path, _COLUMNS, self._rows())

    @classmethod
    def read(cls, path: Path) -> Split:
        """Read a split written by `write`.

        Raises
        ------
        InputError
            If it cannot be read, is not such a table, or has a patient in both subsets.
        """
        try:
            rows = list(read_csv_rows(path))
            subsets = {row["key"]: Subset(row["part"]) for row in rows}
            patients = {row["key"]: row["patient_id"] for row in rows}
        except OSError as error:
            raise InputError(f"{path}: this split cannot be read ({error.strerror})") from error
        except (KeyError, ValueError) as error:
            raise InputError(f"{path}: not a split (columns {', '.join(_COLUMNS)}): {error}") from error
        if len(subsets) != len(rows):
            raise InputError(f"{path}: an image is listed twice in this split")
        return cls(subsets, patients)

    def _patients(self, subset: Subset) -> dict[str, set[str]]:
        """Return the spellings of each patient in a subset."""
        spellings: defaultdict[str, set[str]] = defaultdict(set)
        for key, member in self.subsets.items():
            if member is subset:
                spellings[patient_key(self.patients[key])].add(self.patients[key])
        return spellings

    def _rows(self) -> list[tuple[str, str, Subset]]:
        return [(key, self.patients[key], self.subsets[key]) for key in sorted(self.subsets)]


def split_by_patient(
    dataset: Dataset, *, fold: int | None = None, validation_fraction: float = 0.2, seed: int = 0
) -> Split:
    """Split a data set so that no patient is in both subsets.

    Parameters
    ----------
    dataset : Dataset
    fold : int, optional
        Use this fold of the table's `fold` column for validation; the two parameters below are then unused.
    validation_fraction : float
        Fraction of the patients used for validation, between 0 and 1; each subset has at least one patient.
    seed : int
        The same seed gives the same split of the same patients, independent of the order of the records.

    Raises
    ------
    InputError
        If the fold does not exist, or there are fewer than two patients.
    """
    held_out = _by_fold(dataset, fold) if fold is not None else _at_random(dataset, validation_fraction, seed)
    return _split(dataset, held_out)


def _split(dataset: Dataset, held_out: Set[str]) -> Split:
    subsets = {
        record.key: Subset.VALIDATION if record.key in held_out else Subset.TRAIN
        for record in dataset.records
    }
    return Split(subsets, {record.key: record.patient_id for record in dataset.records})


def _spellings(dataset: Dataset) -> dict[str, str]:
    """Return the first spelling of each patient, by its key."""
    spelling: dict[str, str] = {}
    for patient in sorted({record.patient_id for record in dataset.records}):
        spelling.setdefault(patient_key(patient), patient)
    return spelling


def _shuffled(patients: Sequence[str], seed: int) -> list[str]:
    return [patients[i] for i in np.random.default_rng(seed).permutation(len(patients))]


def split_into_folds(dataset: Dataset, folds: int, *, seed: int = 0) -> tuple[Split, ...]:
    """Split a data set as often as there are folds: each patient is in the validation subset of one split.

    Parameters
    ----------
    dataset : Dataset
        Where its table has this number of folds, they are used. Else the patients are dealt out at random,
        evenly by findings and by which classes are known.
    folds : int
        At least 2.
    seed : int

    Raises
    ------
    InputError
        If there are fewer patients than folds.
    """
    given = {record.fold for record in dataset.records}
    if None not in given and len(given) == folds:
        return tuple(
            split_by_patient(dataset, fold=fold) for fold in sorted(given, key=lambda fold: fold or 0)
        )
    spelling = _spellings(dataset)
    images: defaultdict[str, list[Record]] = defaultdict(list)
    for record in dataset.records:
        images[spelling[patient_key(record.patient_id)]].append(record)
    if len(images) < folds:
        raise InputError(f"{dataset.root}: {len(images)} patients cannot be divided into {folds} folds")
    patients = _shuffled(sorted(images), seed)
    patients.sort(key=lambda patient: _stratum(images[patient], dataset.classes))
    held_out = [
        {record.key for patient in patients[number::folds] for record in images[patient]}
        for number in range(folds)
    ]
    return tuple(_split(dataset, keys) for keys in held_out)


def _stratum(records: Sequence[Record], classes: Sequence[str]) -> tuple[list[str], list[bool]]:
    """Return what a patient's images should be divided evenly by: findings, and which classes are known."""
    known = [any(values) for values in zip(*(record.known(classes) for record in records), strict=True)]
    return sorted({record.finding or "" for record in records}), known


def _by_fold(dataset: Dataset, fold: int) -> set[str]:
    """Return the keys of the images in one fold."""
    if without := [record.key for record in dataset.records if record.fold is None]:
        raise InputError(f"{dataset.root}: {len(without)} images have no fold, such as {without[0]}")
    held_out = {record.key for record in dataset.records if record.fold == fold}
    folds = sorted({record.fold for record in dataset.records if record.fold is not None})
    if not held_out or folds == [fold]:
        raise InputError(f"{dataset.root}: fold {fold} cannot be held out; the table has folds {folds}")
    return held_out


def _at_random(dataset: Dataset, fraction: float, seed: int) -> set[str]:
    """Return the keys of the images of a random fraction of the patients.

    The patients are shuffled, sorted by findings, and every n-th is picked, which balances the findings.
    Two spellings of one identifier count as one patient.
    """
    if not 0 < fraction < 1:
        raise InputError(f"the validation fraction must lie between 0 and 1, got {fraction}")
    spelling = _spellings(dataset)
    findings: defaultdict[str, set[str]] = defaultdict(set)
    for record in dataset.records:
        findings[spelling[patient_key(record.patient_id)]].add(record.finding or "")
    if len(findings) < 2:
        raise InputError(
            f"{dataset.root}: {len(findings)} patients; training and validation need at least two"
        )
    patients = sorted(findings)
    shuffled = _shuffled(patients, seed)
    shuffled.sort(key=lambda patient: sorted(findings[patient]))
    count = min(max(1, round(fraction * len(patients))), len(patients) - 1)
    picks = ((np.arange(count) + 0.5) * len(patients) / count).astype(int)
    picked = {shuffled[i] for i in picks}
    return {record.key for record in dataset.records if spelling[patient_key(record.patient_id)] in picked}
