"""The header of a DICOM image, completed for a Segmentation object that refers to the image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import InputError

if TYPE_CHECKING:
    from pydicom import Dataset

ADVICE = "use --masks-as png"

_REQUIRED = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "Rows", "Columns")

# Type 2 attributes: an object must have them, empty if the source does not state their values.
_EMPTY_IF_UNKNOWN = (
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "AccessionNumber",
    "ReferringPhysicianName",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "PatientOrientation",
)

# The position in space, with the number of values of each attribute. The standard accepts all of them or none
# (PS3.3, C.7.6.16.2.1), and a projection has no thickness. The source that is referenced keeps its spacing.
_GEOMETRY = {"ImagePositionPatient": 3, "ImageOrientationPatient": 6, "PixelSpacing": 2, "SliceThickness": 1}

_UNKNOWN_DATE, _UNKNOWN_TIME = "19000101", "000000"


def read_source_header(source: Path) -> Dataset:
    """Read the header of the DICOM image that a Segmentation object is to refer to.

    Raises
    ------
    InputError
        If the file is not DICOM, cannot be read, or lacks an identifier or its size.
    """
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError

    try:
        header = dcmread(source, stop_before_pixels=True)
    except InvalidDicomError as error:
        raise InputError(
            f"{source}: is not DICOM, and only a DICOM image can have a Segmentation object; {ADVICE}"
        ) from error
    except OSError as error:
        raise InputError(f"{source}: cannot be read again ({error.strerror or error})") from error
    if missing := [keyword for keyword in _REQUIRED if not header.get(keyword)]:
        raise InputError(
            f"{source}: has no {', '.join(missing)}, which a Segmentation object must refer to; {ADVICE}"
        )
    return header


def complete_header(header: Dataset) -> None:
    """Add the attributes that are missing, and clear those that are invalid or incomplete."""
    header.decode()
    for keyword in _EMPTY_IF_UNKNOWN:
        if keyword not in header:
            setattr(header, keyword, None)
    if header.PatientSex not in ("M", "F", "O"):
        header.PatientSex = None
    for keyword in ("PatientBirthDate", "StudyDate", "StudyTime"):
        setattr(header, keyword, _date_or_time(header, keyword))
    if not header.get("FrameOfReferenceUID"):
        header.pop("FrameOfReferenceUID", None)
    stated = {keyword: header[keyword].VM for keyword in _GEOMETRY if keyword in header}
    if stated != _GEOMETRY:
        for keyword in stated:
            del header[keyword]


def content_date_and_time(header: Dataset) -> tuple[str, str]:
    """Return the date and time of the source's content, or the closest that it states."""
    for stem in ("Content", "Acquisition", "Series", "Study"):
        if date := _date_or_time(header, f"{stem}Date"):
            return date, _date_or_time(header, f"{stem}Time") or _UNKNOWN_TIME
    return _UNKNOWN_DATE, _UNKNOWN_TIME


def _date_or_time(header: Dataset, keyword: str) -> str | None:
    """Return a valid date or time as text, else None."""
    from pydicom.valuerep import DA, TM

    text = str(header.get(keyword) or "")
    try:
        value = DA(text) if keyword.endswith("Date") else TM(text)
    except ValueError:
        return None
    return str(value) if value else None
