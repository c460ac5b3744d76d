"""Training and validation, parted by patient, written down and checked."""

from __future__ import annotations

import csv
import hashlib
import io
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np

from ...errors import InputError
from ...machine.files import write_text
from .records import Dataset, Record

_COLUMNS = ("key", "patient_id", "part")


class Part(StrEnum):
    """The two sides of a split."""

    TRAIN = "train"
    VALIDATION = "validation"


@dataclass(frozen=True)
class Split:
    """Which side each image is on.

    Attributes
    ----------
    parts : mapping of str to Part
        By the image's key.
    patients : mapping of str to str
        The patient of each key.
    """

    parts: Mapping[str, Part]
    patients: Mapping[str, str]

    def __post_init__(self) -> None:
        """Refuse a split with a patient on both sides.

        Raises
        ------
        InputError
            Naming a patient.
        """
        if self.parts.keys() != self.patients.keys():
            raise InputError("split: its images and its patients do not name the same keys")
        both = self._patients(Part.TRAIN) & self._patients(Part.VALIDATION)
        if both:
            raise InputError(f"split: {len(both)} patients are on both sides, such as {min(both)}")

    @property
    def hash(self) -> str:
        """SHA-256 of the split's content, whatever the order of its rows."""
        return hashlib.sha256(self._text().encode()).hexdigest()

    def keys(self, part: Part) -> tuple[str, ...]:
        """List the keys on one side, sorted."""
        return tuple(sorted(key for key, side in self.parts.items() if side is part))

    def select(self, dataset: Dataset, part: Part) -> tuple[Record, ...]:
        """List the records of a data set on one side, in the data set's order.

        Raises
        ------
        InputError
            If the data set lacks an image of the split.
        """
        if missing := self.parts.keys() - {record.key for record in dataset.records}:
            raise InputError(
                f"{dataset.root}: {len(missing)} images of the split are not there, such as {min(missing)}"
            )
        return tuple(record for record in dataset.records if self.parts.get(record.key) is part)

    def write(self, path: Path) -> None:
        """Write the split as CSV: key, patient_id, part."""
        write_text(path, self._text())

    @classmethod
    def read(cls, path: Path) -> Split:
        """Read a split that `write` wrote.

        Raises
        ------
        InputError
            If it cannot be read, is not such a table, or has a patient on both sides.
        """
        try:
            rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))
            parts = {row["key"]: Part(row["part"]) for row in rows}
            patients = {row["key"]: row["patient_id"] for row in rows}
        except OSError as error:
            raise InputError(f"{path}: this split cannot be read ({error.strerror})") from error
        except (KeyError, ValueError) as error:
            raise InputError(f"{path}: not a split (columns {', '.join(_COLUMNS)}): {error}") from error
        if len(parts) != len(rows):
            raise InputError(f"{path}: an image is listed twice in this split")
        return cls(parts, patients)

    def _patients(self, part: Part) -> set[str]:
        return {self.patients[key] for key, side in self.parts.items() if side is part}

    def _text(self) -> str:
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(_COLUMNS)
        writer.writerows((key, self.patients[key], self.parts[key]) for key in sorted(self.parts))
        return buffer.getvalue()


def split_by_patient(
    dataset: Dataset, *, fold: int | None = None, validation_fraction: float = 0.2, seed: int = 0
) -> Split:
    """Part a data set so that no patient is on both sides.

    Parameters
    ----------
    dataset : Dataset
    fold : int, optional
        Validate on this fold of the table's `fold` column; the two parameters below are then unused.
    validation_fraction : float
        Share of the patients to validate on, between 0 and 1; at least one patient is on each side.
    seed : int
        The same seed gives the same split of the same patients, whatever the order of the records.

    Raises
    ------
    InputError
        If there is no such fold, or fewer than two patients.
    """
    chosen = _by_fold(dataset, fold) if fold is not None else _by_chance(dataset, validation_fraction, seed)
    parts = {
        record.key: Part.VALIDATION if record.key in chosen else Part.TRAIN for record in dataset.records
    }
    return Split(parts, {record.key: record.patient_id for record in dataset.records})


def _by_fold(dataset: Dataset, fold: int) -> set[str]:
    if without := [record.key for record in dataset.records if record.fold is None]:
        raise InputError(f"{dataset.root}: {len(without)} images have no fold, such as {without[0]}")
    chosen = {record.key for record in dataset.records if record.fold == fold}
    folds = sorted({record.fold for record in dataset.records if record.fold is not None})
    if not chosen or folds == [fold]:
        raise InputError(f"{dataset.root}: fold {fold} cannot be held out; the folds there are {folds}")
    return chosen


def _by_chance(dataset: Dataset, fraction: float, seed: int) -> set[str]:
    """Shuffle the patients, order them by what was found, and take every n-th: findings stay balanced."""
    if not 0 < fraction < 1:
        raise InputError(f"validation fraction must lie between 0 and 1, got {fraction}")
    findings: defaultdict[str, set[str]] = defaultdict(set)
    for record in dataset.records:
        findings[record.patient_id].add(record.finding or "")
    if len(findings) < 2:
        raise InputError(
            f"{dataset.root}: {len(findings)} patients; training and validating needs two or more"
        )
    patients = sorted(findings)
    shuffled = [patients[i] for i in np.random.default_rng(seed).permutation(len(patients))]
    shuffled.sort(key=lambda patient: sorted(findings[patient]))
    count = min(max(1, round(fraction * len(patients))), len(patients) - 1)
    picks = ((np.arange(count) + 0.5) * len(patients) / count).astype(int)
    held_out = {shuffled[i] for i in picks}
    return {record.key for record in dataset.records if record.patient_id in held_out}
