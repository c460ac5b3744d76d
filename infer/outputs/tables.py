"""The text of the tables: one fixed way to write every number, so that equal results are equal bytes."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from math import isnan
from pathlib import Path

from ...data.columns import COMPONENT_FIELDS
from ...data.image import Gray
from ...data.spreadsheet import guard, unguard
from ..image_features import ImageMeasurement
from ..items import Failure

FEATURES, LESIONS, FAILURES = "features.csv", "lesions.csv", "failures.csv"
MASK_TABLE = "masks.csv"

FAILURE_COLUMNS = ("path", "stage", "error")
MASK_COLUMNS = ("image", "class", "height", "width", "rle")


_WHOLE = {"area", "bbox_0", "bbox_1", "bbox_2", "bbox_3", "touches_border"}
_LESION_FORMAT = ",".join("%d" if name in _WHOLE else "%.6f" for name in COMPONENT_FIELDS)


def csv_line(cells: Iterable[object]) -> str:
    """Write one line of a table, quoted where it must be.

    Text that a spreadsheet would run as a formula gets an apostrophe before it, which `read_rows` takes off.
    """
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(
        guard(cell) if isinstance(cell, str) else cell for cell in cells
    )
    return line.getvalue()


def feature_line(
    key: str,
    patient_id: str,
    size: tuple[int, int],
    spacing_mm: tuple[float, float] | None,
    features: Mapping[str, float],
) -> str:
    """Write an image's line of `features.csv`; `size` is (width, height)."""
    numbers = (_number(name, value) for name, value in features.items())
    return csv_line((key, patient_id, *size, spacing_text(spacing_mm), *numbers))


def lesion_lines(key: str, measured: ImageMeasurement) -> str:
    """Write an image's lines of `lesions.csv`."""
    lines = []
    for label, name, *values in measured.lesions:
        numbers = (_LESION_FORMAT % tuple(values)).replace("nan", "").replace("-0.000000", "0.000000")
        lines.append(f"{csv_line((key, label, name))[:-1]},{numbers}\n")
    return "".join(lines)


def mask_lines(key: str, masks: Mapping[str, Gray]) -> str:
    """Write an image's lines of `masks.csv`, one a class."""
    from .rle import encode

    return "".join(csv_line((key, name, *mask.shape, encode(mask))) for name, mask in masks.items())


def failure_line(failure: Failure) -> str:
    """Write a line of `failures.csv`; the error is kept to one line."""
    return csv_line((failure.key, failure.stage, " ".join(failure.error.split())))


def spacing_text(spacing_mm: tuple[float, float] | None) -> str:
    r"""Write a pixel spacing: one number where pixels are square, else `down\across` as DICOM writes it."""
    if spacing_mm is None:
        return ""
    down, across = (f"{value:.9g}" for value in spacing_mm)
    return down if down == across else f"{down}\\{across}"


def read_rows(path: Path) -> Iterator[dict[str, str]]:
    """Read a table's rows back, as they were before formulas were guarded, but for a last one that is cut."""
    with path.open(encoding="utf-8", newline="") as handle:
        for row in csv.DictReader(handle):
            if None not in row.values():
                yield {name: unguard(cell) for name, cell in row.items()}


def _number(name: str, value: float) -> str:
    if isinstance(value, int):
        return str(value)
    if isnan(value):
        return ""
    return f"{value:.9g}" if name.endswith("_ratio") else f"{value:.6f}"
