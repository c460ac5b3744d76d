"""Bytes of a DICOM file to one gray image, its pixel spacing and a pseudonym of the patient.

Taken is each single gray image of 1, 8 or 16 bits a cell, whatever its class, unless the class says that no
projection made it (`dicom_form`). The header is parsed within bounds and held against the limits before
pixels are touched (`dicom_header`); grays are worked out from the header alone (`dicom_gray`). Overlays,
shutters and presentation states are not applied, and nothing is turned: PatientOrientation only says how the
image hangs.

No text of a header but UIDs of classes and syntaxes gets into an error: it may name a person.
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
from .grayscale import gray_table
from .header import DicomFile
from .parse import parse
from .pixel_format import read_pixel_format
from .pixels import read_stored_values
from .spacing import read_spacing


def read_dicom(data: bytes, *, max_pixels: int, salt: str | bytes | None = None) -> Radiograph:
    """Decode the bytes of a DICOM file.

    Parameters
    ----------
    data : bytes
        The whole file, with its preamble.
    max_pixels : int
        The largest image that is decoded.
    salt : str or bytes, optional
        The key of the patient's pseudonym. Without one there is none: the hash of a short identifier without
        a secret is found by trying all of them.

    Returns
    -------
    Radiograph
        With pixels as uint8 of shape (rows, columns).

    Raises
    ------
    DecodeError
        If it is not one gray radiograph that can be trusted.
    MissingExtraError
        If pydicom is not installed.
    InputError
        If the salt is too short.
    """
    key = salt_key(salt)
    require("pydicom", extra="dicom")
    with _damage_named():
        file = parse(data)
        form = read_pixel_format(file, max_pixels)
        cells = read_stored_values(file, form)
        table = gray_table(file, form, cells)
        pixels = np.asarray(cv2.LUT(cells.samples, table), np.uint8)
        return Radiograph(pixels, read_spacing(file), _patient(file, key))


def _patient(file: DicomFile, key: bytes | None) -> str | None:
    identifier = file.text("PatientID")
    return pseudonym(key, identifier, file.text("IssuerOfPatientID")) if key and identifier else None


@contextmanager
def _damage_named() -> Iterator[None]:
    """Turn whatever pydicom raises on damaged bytes, for which it has no root error, into one line."""
    try:
        yield
    except (CxrError, MemoryError):
        raise
    except Exception as error:
        raise DecodeError(
            f"a DICOM file whose header is damaged ({type(error).__name__}); copy or export it again"
        ) from error
