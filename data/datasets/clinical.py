"""The clinical table that belongs to a folder of images: found on disk and read, one row per image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from .index import INDEX, read_index
from .nih_layout import ENTRIES, find_entries
from .nih_tables import read_entries


def find_clinical(folder: Path) -> Path | None:
    """Look for the clinical table in the images' folder, then in its parent and grandparent."""
    start = folder.resolve()
    for candidate in (start, *list(start.parents)[:2]):
        if (entries := find_entries(candidate)) is not None:
            return entries
        if (candidate / INDEX).is_file():
            return candidate / INDEX
    return None


def read_clinical(path: Path, *, text: Sequence[str] = ()) -> pa.Table:
    """Read a clinical table.

    Parameters
    ----------
    path : Path
    text : sequence of str
        Columns of an index.csv whose cells stay as they are spelled, whatever their type.

    Returns
    -------
    pyarrow.Table
        `image` (NIH: the file name; otherwise the path relative to the table's folder) and `patient_id` as
        strings, then the table's other columns (NIH: see `read_entries`).

    Raises
    ------
    InputError
        If it cannot be read, lacks `image` or `patient_id`, or lists an image twice.
    """
    return read_entries(path) if path.name in ENTRIES else read_index(path, text=text)
