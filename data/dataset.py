"""A data set as training sees it: records of pictures with masks or boxes, whatever the layout on disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..errors import InputError
from .boxes import draw_boxes
from .decode import read_mask
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
    """Open a folder in the index.csv layout or in the NIH layout; no picture is read or copied.

    Parameters
    ----------
    root : Path or str
        The data set's folder.
    classes : sequence of str, optional
        What to segment. index.csv: names of `mask_<class>` columns (needed where there are several).
        NIH: `lesion` (the default: the union of `findings`) or names of findings, a class each.
    findings : sequence of str, optional
        NIH only: the findings whose boxes make the class `lesion`; all eight by default.

    Raises
    ------
    InputError
        If the folder, a table, a column or a picture that is needed is not there.
    """
    from .index import INDEX, open_index
    from .nih import BOXES, MISSING
    from .nih_dataset import open_nih

    folder = Path(root)
    if (folder / INDEX).is_file():
        return open_index(folder, classes=classes, findings=findings)
    if (folder / BOXES).is_file():
        return open_nih(folder, classes=classes, findings=findings)
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder; {MISSING}")
    raise InputError(f"{folder}: neither {INDEX} nor {BOXES} is in this folder; {MISSING}")


def load_masks(
    record: Record, classes: Sequence[str], shape: tuple[int, int]
) -> tuple[Grey, tuple[bool, ...]]:
    """Read a record's masks at the picture's own size.

    Parameters
    ----------
    record : Record
    classes : sequence of str
    shape : tuple of int
        (height, width) of the decoded picture.

    Returns
    -------
    ndarray of uint8, shape (classes, height, width), 0 or 1
        Zeros where nothing is known.
    tuple of bool
        For each class, whether its mask is known.

    Raises
    ------
    InputError
        If a mask file is missing, unreadable or of another size.
    """
    masks = np.zeros((len(classes), *shape), np.uint8)
    known = tuple(record.masks.get(name) is not None for name in classes)
    for plane, name in zip(masks, classes, strict=True):
        truth = record.masks.get(name)
        if isinstance(truth, Path):
            plane[:] = read_mask(truth, shape)
        elif truth is not None:
            plane[:] = draw_boxes(truth, shape)
    return masks, known
