"""A data set as training sees it: records of pictures with masks or boxes, whatever the layout on disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .picture import Grey


@dataclass(frozen=True)
class Box:
    """A rectangle, in pixels of a picture of `frame` x `frame` (NIH: 1024), origin top left."""

    x: float
    y: float
    width: float
    height: float
    frame: int


@dataclass(frozen=True)
class Record:
    """One picture of a data set and what is known of it.

    Attributes
    ----------
    key : str
        Path relative to the data set's folder, the picture's name everywhere.
    masks : mapping of str to Path, tuple of Box, or None
        For each class: a mask file; boxes (none: known to be empty); or None where nothing is known.
    """

    key: str
    path: Path
    patient_id: str
    masks: Mapping[str, Path | tuple[Box, ...] | None]
    fold: int | None = None
    finding: str | None = None


@dataclass(frozen=True)
class Dataset:
    """Records, their classes in order, and where they came from."""

    name: str
    root: Path
    classes: tuple[str, ...]
    records: tuple[Record, ...]
    licence: str = "not stated"
    notes: tuple[str, ...] = field(default=())


def open_dataset(
    root: Path | str, *, classes: Sequence[str] | None = None, findings: Sequence[str] | None = None
) -> Dataset:
    """Open a folder in the index.csv layout or in the NIH layout."""
    raise NotImplementedError


def load_masks(
    record: Record, classes: Sequence[str], shape: tuple[int, int]
) -> tuple[Grey, tuple[bool, ...]]:
    """Read a record's masks at the picture's own size."""
    raise NotImplementedError
