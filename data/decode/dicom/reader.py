"""Decode a DICOM file: one gray image, its pixel spacing, and a pseudonym of the patient.

Every single gray image with cells of 1, 8 or 16 bits is accepted, unless its SOP class is not that of a
projection radiograph (`pixel_format`). The header is parsed with bounded effort and checked against the
limits before pixels are decoded (`parse`); gray values are computed from the header (`grayscale`). Overlays,
shutters and presentation states are not applied, and images are not rotated: PatientOrientation only
describes how the image is displayed.

Error messages quote no text of a header but the UIDs of SOP classes and transfer syntaxes: any other text may
identify a person.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np

from ....errors import CxrError, DecodeError
from ....machine.extras import require
from ...image import Radiograph
from ...pseudonym import pseudonym, salt_key
from .attributes import keywords_of, read_columns
from .grayscale import gray_table
from .header import DicomFile
from .parse import parse
from .pixel_format import read_pixel_format
from .pixels import read_stored_values
from .spacing import read_spacing
from .subject import notes_of_header


def read_dicom(
    data: bytes, *, max_pixels: int, salt: str | bytes | None = None, columns: tuple[str, ...] = ()
) -> Radiograph:
    """Decode the bytes of a DICOM file.

    Parameters
    ----------
    data : bytes
        The whole file, with its preamble.
    max_pixels : int
        Larger images are rejected.
    salt : str or bytes, optional
        The key of the patient's pseudonym. Without it there is no pseudonym: a hash of a short identifier
        without a secret can be reversed by trying all identifiers.
    columns : tuple of str
        The names of the header's columns to read; see `attributes`.

    Returns
    -------
    Radiograph
        With pixels as uint8 of shape (rows, columns).

    Raises
    ------
    DecodeError
        If it is not exactly one gray radiograph, is damaged, or its gray values are ambiguous.
    MissingExtraError
        If pydicom is not installed.
    InputError
        If the salt is too short.
    """
    key = salt_key(salt)
    require("pydicom", extra="dicom")
    with _damaged_header_errors():
        file = parse(data, keywords_of(columns))
        pixel_format = read_pixel_format(file, max_pixels)
        stored = read_stored_values(file, pixel_format)
        table = gray_table(file, pixel_format, stored)
        pixels = np.asarray(cv2.LUT(stored.cells, table.gray), np.uint8)
        return Radiograph(
            pixels,
            read_spacing(file),
            _patient_id(file, key),
            table.source,
            (*table.notes, *notes_of_header(file)),
            header=read_columns(file, columns, key),
        )


def _patient_id(file: DicomFile, key: bytes | None) -> str | None:
    identifier = file.text("PatientID")
    return pseudonym(key, identifier, file.text("IssuerOfPatientID")) if key and identifier else None


@contextmanager
def _damaged_header_errors() -> Iterator[None]:
    """Turn whatever pydicom raises on damaged bytes into a DecodeError: its errors have no common root."""
    try:
        yield
    except (CxrError, MemoryError):
        raise
    except Exception as error:
        raise DecodeError(
            f"a DICOM file whose header is damaged ({type(error).__name__}); copy or export it again"
        ) from error
