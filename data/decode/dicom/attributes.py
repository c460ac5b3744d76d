"""The values of a DICOM header that a run can add to its table: named columns, none unless it is asked for.

A study and an accession number identify a patient's visit, so they are written only as keyed hashes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ....errors import InputError
from ...pseudonym import pseudonym
from .header import DicomFile

_KEYWORDS = {
    "view": ("ViewPosition",),
    "sex": ("PatientSex",),
    "age": ("PatientAge",),
    "device": ("Manufacturer", "ManufacturerModelName"),
    "study": ("StudyInstanceUID",),
    "accession": ("AccessionNumber",),
}
DICOM_COLUMNS = tuple(_KEYWORDS)
HASHED = ("study", "accession")

_LONGEST = 64
"""The longest text that the standard allows in these elements (PS3.5, 6.2)."""

_AGE = re.compile(r"(\d{1,3})([DWMY])", re.ASCII)
_PER_YEAR = {"D": 365.25, "W": 365.25 / 7, "M": 12.0, "Y": 1.0}


def check_dicom_columns(columns: Sequence[str], *, salted: bool) -> None:
    """Check the names of columns before a run.

    Raises
    ------
    InputError
        If a name is unknown or repeated, or a column that is hashed is asked for without a salt.
    """
    if unknown := [name for name in columns if name not in DICOM_COLUMNS]:
        raise InputError(f"DICOM columns can be {', '.join(DICOM_COLUMNS)}; got {', '.join(unknown)}")
    if len(set(columns)) < len(columns):
        raise InputError(f"a DICOM column is named twice: {', '.join(columns)}")
    hashed = [name for name in columns if name in HASHED]
    if hashed and not salted:
        raise InputError(
            f"the DICOM column {hashed[0]} identifies a patient's visit and is written as a keyed hash only: "
            "give --salt too, or leave it out"
        )


def keywords_of(columns: Sequence[str]) -> tuple[str, ...]:
    """Return the keywords of the elements that these columns are read from."""
    return tuple(keyword for name in columns for keyword in _KEYWORDS[name])


def read_columns(file: DicomFile, columns: Sequence[str], key: bytes | None) -> dict[str, str]:
    """Return the cells of the columns; empty where the header does not state a value.

    Parameters
    ----------
    file : DicomFile
        Parsed with the keywords of these columns.
    columns : sequence of str
    key : bytes or None
        The key of the hashes; without it, columns that are hashed stay empty.
    """
    return {name: _cell(file, name, key) for name in columns}


def _cell(file: DicomFile, name: str, key: bytes | None) -> str:
    texts = [_one_line(file.text(keyword)) for keyword in _KEYWORDS[name]]
    text = " ".join(filter(None, texts))
    if name == "age":
        return _years(text)
    if name in HASHED:
        return pseudonym(key, text, "") if key and text else ""
    return text if name == "device" else text.upper()


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text[:_LONGEST]).split())


def _years(text: str) -> str:
    match = _AGE.fullmatch(text)
    return f"{int(match[1]) / _PER_YEAR[match[2]]:.6g}" if match else ""
