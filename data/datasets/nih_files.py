"""The files of the NIH ChestX-ray14 layout: its two tables and its folders of images."""

from __future__ import annotations

import logging
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from ..tables import read_csv, read_header, require_columns

logger = logging.getLogger(__name__)

BOXES = "BBox_List_2017.csv"
ENTRIES = (
    "Data_Entry_2017_v2020.csv",
    "Data_Entry_2017_v2020.csv.gz",
    "Data_Entry_2017.csv",
    "Data_Entry_2017.csv.gz",
)
MASKS = "masks"
SYNTHETIC = "truth.json"
"""Only the synthetic sample has this file."""

FINDINGS = (
    "Atelectasis",
    "Cardiomegaly",
    "Effusion",
    "Infiltration",
    "Mass",
    "Nodule",
    "Pneumonia",
    "Pneumothorax",
)
LESION = "lesion"
NO_FINDING = "No Finding"
FRAME = 1024

DOWNLOAD = "https://nihcc.app.box.com/v/ChestXray-NIHCC"
MISSING = (
    f"make a synthetic set with `cxr sample NIH-Chest-X-ray-dataset`, or put the NIH set there ({DOWNLOAD})"
)
LICENSE = f"NIH Clinical Center: no restrictions on use, attribution required ({DOWNLOAD})"

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
_OLDEST = 120


def read_entries(path: Path) -> pa.Table:
    """Read `Data_Entry_2017*.csv`, of either edition.

    Returns
    -------
    pyarrow.Table
        image (file name), patient_id (no leading zeros), age (years; `058Y`, `011M` and `007D` are read
        too), sex, view, findings (joined by `|`), follow_up, width, height (pixels of the original image),
        spacing_x, spacing_y (mm). Ages that nobody reaches are kept as the table has them.

    Raises
    ------
    InputError
        If it cannot be read or lacks a column.
    """
    cells = read_header(path)
    require_columns(path, cells, _ENTRY_NAMES)
    names = [_ENTRY_NAMES.get(cell, f"unused_{number}") for number, cell in enumerate(cells)]
    texts = ("image", "patient_id", "age", "sex", "view", "findings")
    numbers = {"follow_up": pa.int64(), "width": pa.int64(), "height": pa.int64()}
    numbers |= {"spacing_x": pa.float64(), "spacing_y": pa.float64()}
    types = {**dict.fromkeys(texts, pa.string()), **numbers}
    table = read_csv(path, types=types, columns=names, keep=tuple(_ENTRY_NAMES.values()))
    patients = pc.utf8_ltrim(table["patient_id"], "0")
    table = table.set_column(1, "patient_id", patients)
    return table.set_column(2, "age", _ages(path, table["age"]))


def read_boxes(path: Path) -> pa.Table:
    """Read `BBox_List_2017.csv`, whose header has nine cells over rows of six.

    Returns
    -------
    pyarrow.Table
        image, label (as in the other table: `Infiltration`), x, y, width, height (pixels of 1024 x 1024).

    Raises
    ------
    InputError
        If it cannot be read or is another table.
    """
    require_columns(path, read_header(path), ("Image Index", "Finding Label"))
    types = dict.fromkeys(_BOX_NAMES[:2], pa.string()) | dict.fromkeys(_BOX_NAMES[2:], pa.float64())
    table = read_csv(path, types=types, columns=_BOX_NAMES)
    labels = pc.replace_substring_regex(table["label"], "^Infiltrate$", "Infiltration")
    return table.set_column(1, "label", labels)


def find_entries(folder: Path) -> Path | None:
    """Find the clinical table of the NIH layout in a folder, the newer edition first."""
    return next((folder / name for name in ENTRIES if (folder / name).is_file()), None)


def find_images(root: Path) -> dict[str, str]:
    """Map the names of the images in the NIH layout to their paths relative to `root`.

    Where a name is there twice, the first folder counts.
    """
    found: dict[str, str] = {}
    for folder in sorted(root.glob("images*")):
        for place in (folder, folder / "images"):
            if place.is_dir():
                for file in sorted(place.glob("*.png")):
                    found.setdefault(file.name, file.relative_to(root).as_posix())
    return found


def _ages(path: Path, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Ages in years, from numbers or from the first edition's `058Y`, `011M` or `007D`."""
    parts = pc.extract_regex(column, r"^(?P<number>\d+)(?P<unit>[YMD]?)$")
    number = pc.cast(pc.struct_field(parts, "number"), pa.float64())
    unit = pc.struct_field(parts, "unit")
    months = pc.if_else(pc.equal(unit, "M"), pc.divide(number, 12.0), number)
    years = pc.if_else(pc.equal(unit, "D"), pc.divide(number, 365.25), months)
    if lost := years.null_count - column.null_count:
        logger.warning("%s: %d ages cannot be read and are left empty", path, lost)
    if above := pc.sum(pc.greater(years, _OLDEST)).as_py():
        logger.warning("%s: %d ages are above %d; they are kept as they stand", path, above, _OLDEST)
    return years
