"""A data set as training sees it: records of images with masks or boxes, whatever the layout on disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Box:
    """A rectangle, in pixels of an image of `frame` x `frame` (NIH: 1024), origin top left."""

    x: float
    y: float
    width: float
    height: float
    frame: int


@dataclass(frozen=True)
class Record:
    """One image of a data set and what is known of it.

    Attributes
    ----------
    key : str
        Path relative to the data set's folder, the image's name everywhere.
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
    license: str = "not stated"
    notes: tuple[str, ...] = field(default=())
