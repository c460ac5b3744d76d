"""The two tables of NIH ChestX-ray14."""

from __future__ import annotations

import logging
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from ..tables import read_csv, read_header, require_columns

log = logging.getLogger(__name__)

_ENTRY_NAMES = {
    "Image Index": "image",
    "Patient ID": "patient_id",
    "Patient Age": "age",
    "Patient Gender": "sex",
    "View Position": "view",
    "Finding Labels": "findings",
    "Follow-up #": "follow_up",
    # The header writes `OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]` with bare commas.
    "OriginalImage[Width": "width",
    "Height]": "height",
    "OriginalImagePixelSpacing[x": "spacing_x",
    "y]": "spacing_y",
}
_BOX_NAMES = ("image", "label", "x", "y", "width", "height")
_MAX_AGE = 120


def read_entries(path: Path) -> pa.Table:
    """Read `Data_Entry_2017*.csv`, of either edition.

    Returns
    -------
    pyarrow.Table
        image (file name), patient_id (without leading zeros), age (years; `058Y`, `011M` and `007D` are
        converted), sex, view, findings (separated by `|`), follow_up, width, height (pixels of the original
        image), spacing_x, spacing_y (mm). Implausible ages are kept, with a warning.

    Raises
    ------
    InputError
        If it cannot be read or lacks a column.
    """
    cells = read_header(path)
    require_columns(path, cells, _ENTRY_NAMES)
    names = [_ENTRY_NAMES.get(cell, f"unused_{number}") for number, cell in enumerate(cells)]
    types = {
        **dict.fromkeys(("image", "patient_id", "age", "sex", "view", "findings"), pa.string()),
        **dict.fromkeys(("follow_up", "width", "height"), pa.int64()),
        **dict.fromkeys(("spacing_x", "spacing_y"), pa.float64()),
    }
    table = read_csv(path, types=types, columns=names, keep=tuple(_ENTRY_NAMES.values()))
    patients = pc.utf8_ltrim(table["patient_id"], "0")
    table = table.set_column(1, "patient_id", patients)
    return table.set_column(2, "age", _ages(path, table["age"]))


def read_boxes(path: Path) -> pa.Table:
    """Read `BBox_List_2017.csv`; its header has nine cells, its rows six.

    Returns
    -------
    pyarrow.Table
        image, label (named as in `Data_Entry_2017*.csv`: `Infiltration`), x, y, width, height (pixels of the
        1024 x 1024 image).

    Raises
    ------
    InputError
        If it cannot be read or is not this table.
    """
    require_columns(path, read_header(path), ("Image Index", "Finding Label"))
    types = dict.fromkeys(_BOX_NAMES[:2], pa.string()) | dict.fromkeys(_BOX_NAMES[2:], pa.float64())
    table = read_csv(path, types=types, columns=_BOX_NAMES)
    labels = pc.replace_substring_regex(table["label"], "^Infiltrate$", "Infiltration")
    return table.set_column(1, "label", labels)


def _ages(path: Path, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Convert ages to years: plain numbers, or the first edition's `058Y`, `011M` or `007D`."""
    matches = pc.extract_regex(column, r"^(?P<number>\d+)(?P<unit>[YMD]?)$")
    number = pc.cast(pc.struct_field(matches, "number"), pa.float64())
    unit = pc.struct_field(matches, "unit")
    months = pc.if_else(pc.equal(unit, "M"), pc.divide(number, 12.0), number)
    years = pc.if_else(pc.equal(unit, "D"), pc.divide(number, 365.25), months)
    if unreadable := years.null_count - column.null_count:
        log.warning("%s: %d ages cannot be read and are left empty", path, unreadable)
    if above := pc.sum(pc.greater(years, _MAX_AGE)).as_py():
        log.warning("%s: %d ages are above %d; they are kept unchanged", path, above, _MAX_AGE)
    return years
