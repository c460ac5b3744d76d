"""The clinical table beside the images: found, and read with one row an image."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from .index import INDEX, read_index
from .nih_files import ENTRIES, find_entries, read_entries


def find_clinical(folder: Path) -> Path | None:
    """Look for the clinical table of some images: in their folder, then in up to two parents."""
    here = folder.resolve()
    for place in (here, *list(here.parents)[:2]):
        if (found := find_entries(place)) is not None:
            return found
        if (place / INDEX).is_file():
            return place / INDEX
    return None


def read_clinical(path: Path) -> pa.Table:
    """Read a clinical table.

    Returns
    -------
    pyarrow.Table
        `image` (NIH: the file's name; else the path relative to the table's folder) and `patient_id` as
        strings, then the table's other columns (NIH: as `read_entries`).

    Raises
    ------
    InputError
        If it cannot be read, lacks `image` or `patient_id`, or lists an image twice.
    """
    return read_entries(path) if path.name in ENTRIES else read_index(path)
