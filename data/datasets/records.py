"""What every data set becomes, whatever its layout on disk: a `Dataset` of `Record`s."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .shapes import Truth


@dataclass(frozen=True)
class Record:
    """One image of a data set, its patient and its ground truth.

    Attributes
    ----------
    key : str
        Path relative to the data set's folder, with `/`; identifies the image everywhere.
    masks : mapping of str to Path, tuple of Shape, or None
        The ground truth of each class: a mask file; the shapes whose union it is (an empty tuple: the class
        is absent); or None where it is unknown.
    """

    key: str
    path: Path
    patient_id: str
    masks: Mapping[str, Truth]
    fold: int | None = None
    finding: str | None = None

    def known(self, classes: Sequence[str]) -> tuple[bool, ...]:
        """Return for each class whether its ground truth is known."""
        return tuple(self.masks.get(name) is not None for name in classes)

    def has_truth(self, classes: Sequence[str]) -> bool:
        """Return whether the ground truth of at least one of the classes is known."""
        return any(self.known(classes))


@dataclass(frozen=True)
class Dataset:
    """Records, their classes in order, and where they came from."""

    name: str
    root: Path
    classes: tuple[str, ...]
    records: tuple[Record, ...]
    license: str = "not stated"
    notes: tuple[str, ...] = field(default=())
