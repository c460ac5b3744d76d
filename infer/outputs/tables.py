"""The text of the tables: each number is written in one fixed way, so that equal results are equal bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ...data.column_table import UNCERTAINTY, UNCERTAINTY_FLIP, Table
from ...data.columns import columns_of, find_column, header
from ...data.csv_files import csv_line, read_csv_rows
from ...machine.paths import printable
from ...models.checks.assessment import Assessment
from ..image_features import ImageMeasurement
from ..records import Failure

FEATURES, COMPONENTS = Table.FEATURES.file, Table.COMPONENTS.file
FAILURES, MASK_TABLE = Table.FAILURES.file, Table.MASKS.file

COMPONENT_COLUMNS = header(Table.COMPONENTS)
FAILURE_COLUMNS = header(Table.FAILURES)
MASK_COLUMNS = header(Table.MASKS)

# A row of components is formatted at once: an image can have thousands of them.
_COMPONENT_FORMAT = ",".join(column.number_format for column in columns_of(Table.COMPONENTS)[3:])


def feature_line(
    key: str,
    patient_id: str,
    size: tuple[int, int],
    spacing_mm: tuple[float, float] | None,
    gray_from: str,
    features: Mapping[str, float],
    requested: Sequence[str] = (),
    *,
    assessment: Assessment | None = None,
) -> str:
    """Write an image's line of `features.csv`.

    Parameters
    ----------
    key, patient_id : str
    size : tuple of int
        (width, height).
    spacing_mm : tuple of float or None
    gray_from : str
        As in `Radiograph`; empty for an image that was not read.
    features : mapping of str to float
        The numeric columns of the classes.
    requested : sequence of str
        The cells of the columns that only this run was asked for.
    assessment : Assessment, optional
        None for an image that no model has seen.
    """
    numbers = (_number(name, value) for name, value in features.items())
    spacing = spacing_text(spacing_mm)
    assessed = ("", "", "") if assessment is None else _assessed(assessment)
    return csv_line((key, patient_id, *size, spacing, gray_from, *assessed, *requested, *numbers))


def component_lines(key: str, measured: ImageMeasurement) -> str:
    """Write an image's lines of `components.csv`."""
    lines = []
    for label, class_name, *values in measured.components:
        numbers = (_COMPONENT_FORMAT % tuple(values)).replace("nan", "").replace("-0.000000", "0.000000")
        lines.append(f"{csv_line((key, label, class_name))[:-1]},{numbers}\n")
    return "".join(lines)


def failure_line(failure: Failure) -> str:
    """Write a line of `failures.csv`, with the error on one line."""
    return csv_line((failure.key, failure.stage, printable(" ".join(failure.error.split()))))


def spacing_text(spacing_mm: tuple[float, float] | None) -> str:
    r"""Write a pixel spacing: one number for square pixels, else `down\across` as DICOM writes it."""
    if spacing_mm is None:
        return ""
    down, across = (f"{value:.9g}" for value in spacing_mm)
    return down if down == across else f"{down}\\{across}"


def read_rows(path: Path) -> Iterator[dict[str, str]]:
    """Read the rows of a table, without the guard of formulas; an incomplete last row is left out."""
    return (row for row in read_csv_rows(path) if None not in row.values())


def _assessed(assessment: Assessment) -> tuple[str, ...]:
    flip = assessment.mirror_uncertainty
    return (
        assessment.plausible,
        assessment.why,
        _number(UNCERTAINTY, assessment.uncertainty),
        *([] if flip is None else [_number(UNCERTAINTY_FLIP, flip)]),
    )


def _number(name: str, value: float) -> str:
    found = find_column(Table.FEATURES, name)
    assert found is not None, name
    return found[0].format(value)
