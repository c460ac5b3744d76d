"""The labeled images that are evaluated: those of a fold, or with a value in the data set's table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ...data.datasets.clinical import find_clinical, read_clinical
from ...data.datasets.index import INDEX, mask_classes
from ...data.datasets.open import open_dataset
from ...data.datasets.records import Dataset, Record
from ...data.datasets.splits import Split, Subset
from ...errors import InputError, suggestion
from .config import EvaluateConfig
from .pairing import ClassPair

EMPTY = "(empty)"
"""The group of images whose cell is empty."""

_MOST_GROUPS = 40
_MOST_NAMED = 8


@dataclass(frozen=True)
class Selection:
    """The images to evaluate.

    Attributes
    ----------
    dataset : Dataset
    records : tuple of Record
        Those with a known mask of at least one of the classes.
    groups : mapping of str to str
        The group of each image, by key; empty without `by`.
    """

    dataset: Dataset
    records: tuple[Record, ...]
    groups: Mapping[str, str]


def available_classes(root: Path, config: EvaluateConfig) -> tuple[str, ...] | None:
    """Return the classes that a data set has masks of; None if only opening it can tell."""
    path = root / INDEX
    return mask_classes(path) if path.is_file() and config.masks is None else None


def select_images(root: Path, pairs: Sequence[ClassPair], config: EvaluateConfig) -> Selection:
    """Open a data set and select its images.

    Raises
    ------
    InputError
        If the data set cannot be opened, a column or value does not exist, or no image is left.
    """
    truths = tuple(dict.fromkeys(pair.truth for pair in pairs))
    seconds = tuple(dict.fromkeys(pair.second for pair in pairs if pair.second is not None))
    names = tuple(dict.fromkeys((*truths, *seconds)))
    dataset = open_dataset(
        root,
        classes=names,
        findings=config.findings,
        masks=config.masks,
        annotations=config.annotations,
    )
    records = [record for record in dataset.records if record.has_truth(truths)]
    if config.fold is not None:
        records = _of_fold(root, records, config.fold)
    if config.splits is not None:
        records = _of_validation(root, records, Path(config.splits))
    columns = [*config.where, *([config.by] if config.by is not None else [])]
    rows = _rows(root, records, columns) if columns else {}
    for column, value in config.where.items():
        records = _with_value(root, records, rows, column, value)
    if not records:
        raise InputError(f"{root}: no image has a known mask of {', '.join(truths)}")
    groups = {} if config.by is None else {one.key: rows[one.key][config.by] for one in records}
    if len(set(groups.values())) > _MOST_GROUPS:
        raise InputError(
            f"--by {config.by}: has {len(set(groups.values()))} different values; "
            f"name a column with at most {_MOST_GROUPS}"
        )
    return Selection(dataset, tuple(records), groups)


def _of_fold(root: Path, records: Sequence[Record], fold: int) -> list[Record]:
    chosen = [record for record in records if record.fold == fold]
    if not chosen:
        folds = sorted({record.fold for record in records if record.fold is not None})
        known = f"the folds are {', '.join(map(str, folds))}" if folds else "the data set has no folds"
        raise InputError(f"{root}: no image with a known mask is in fold {fold}; {known}")
    return chosen


def _of_validation(root: Path, records: Sequence[Record], path: Path) -> list[Record]:
    keys = set(Split.read(path).keys(Subset.VALIDATION))
    chosen = [record for record in records if record.key in keys]
    if not chosen:
        raise InputError(f"{path}: none of its {len(keys)} validation images has a known mask in {root}")
    return chosen


def _rows(root: Path, records: Sequence[Record], columns: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return the cells of each image, as text, by key and column."""
    path = find_clinical(root)
    if path is None:
        raise InputError(f"{root}: has no table with the column {columns[0]!r}")
    table = read_clinical(path, text=columns)
    for column in columns:
        if column not in table.column_names:
            raise InputError(
                f"{path}: no column {column!r}{suggestion(column, table.column_names)} "
                f"(the table has: {', '.join(table.column_names)})"
            )
    by_image = {row["image"]: row for row in table.select(["image", *columns]).to_pylist()}
    cells = {}
    for key in (record.key for record in records):
        row = by_image.get(key) or by_image.get(PurePosixPath(key).name, {})  # NIH tables hold file names
        cells[key] = {column: _text(row.get(column)) for column in columns}
    return cells


def _text(cell: Any) -> str:
    text = "" if cell is None else str(cell).strip()
    return text or EMPTY


def _with_value(
    root: Path, records: Sequence[Record], rows: Mapping[str, Mapping[str, str]], column: str, value: str
) -> list[Record]:
    chosen = [record for record in records if rows[record.key][column] == value]
    if not chosen:
        counts = Counter(rows[record.key][column] for record in records).most_common(_MOST_NAMED)
        raise InputError(
            f"{root}: no image with a known mask has {column} = {value!r}; "
            f"there is: {', '.join(f'{one} ({count})' for one, count in counts) or 'nothing left'}"
        )
    return chosen
