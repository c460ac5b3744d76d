"""The tables of a folder of masks: every image has the columns of every class, empty where it has no mask."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import nan
from pathlib import Path

from ...data.columns import feature_header, lung_columns
from ...data.csv_files import csv_line
from ...errors import InputError
from ...machine.files import replacing
from ..outputs.parquet import parquet_path, write_parquet
from ..outputs.tables import (
    COMPONENT_COLUMNS,
    COMPONENTS,
    FAILURE_COLUMNS,
    FAILURES,
    FEATURES,
    failure_line,
    feature_line,
)
from ..records import Failure
from .records import MeasuredImage

TABLES = (FEATURES, COMPONENTS, FAILURES)

_IMAGE_COLUMNS = feature_header([""], []).index("_ratio")  # before those of the classes


def columns_of_features(classes: Sequence[str], lung_classes: Sequence[str]) -> tuple[str, ...]:
    """Return the columns of `features.csv`.

    Raises
    ------
    InputError
        If the names of two classes lead to the same column.
    """
    columns = feature_header(classes, lung_classes)
    if len(set(columns)) != len(columns):
        raise InputError(f"the classes {', '.join(classes)} lead to two columns of the same name; rename one")
    return columns


def write_tables(
    out: Path,
    measured: Sequence[MeasuredImage],
    failures: Iterable[Failure],
    classes: Sequence[str],
    lung_classes: Sequence[str],
    *,
    parquet: bool,
) -> None:
    """Write the tables, each complete or not at all.

    Raises
    ------
    InputError
        If two classes lead to the same column.
    OutputError
        If a table cannot be written.
    """
    lungs = [name for name in lung_classes if name in classes]
    columns = columns_of_features(classes, lungs)
    rows = (_feature_line(image, columns, lungs) for image in measured)
    _write(out / FEATURES, columns, rows)
    _write(out / COMPONENTS, COMPONENT_COLUMNS, (image.component_lines for image in measured))
    _write(out / FAILURES, FAILURE_COLUMNS, map(failure_line, failures))
    for name in TABLES:
        parquet_path(out / name).unlink(missing_ok=True)
        if parquet:
            write_parquet(out / name)


def _feature_line(image: MeasuredImage, columns: Sequence[str], lungs: Sequence[str]) -> str:
    """Write an image's line; its lungs are known only if it has a mask of every lung class."""
    features = {name: image.features.get(name, nan) for name in columns[_IMAGE_COLUMNS:]}
    if not set(lungs) <= set(image.classes):
        features |= {name: nan for name in lung_columns(image.classes, lungs) if name in features}
    return feature_line(image.key, image.patient_id, image.size, image.spacing_mm, image.gray_from, features)


def _write(path: Path, columns: Sequence[str], lines: Iterable[str]) -> None:
    def text() -> Iterator[str]:
        yield csv_line(columns)
        yield from lines

    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(text())
