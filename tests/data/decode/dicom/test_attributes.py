"""The named columns of a DICOM header: none by default, identifiers only as keyed hashes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cxr.data.decode.dicom.attributes import DICOM_COLUMNS, check_dicom_columns
from cxr.data.decode.dicom.reader import read_dicom
from cxr.data.pseudonym import pseudonym
from cxr.errors import InputError

MakeDicom = Callable[..., bytes]
SALT = "correct horse battery"
PIXELS = np.arange(64, dtype=np.uint8).reshape(8, 8)
HEADER = {
    "ViewPosition": "PA",
    "PatientSex": "F",
    "PatientAge": "058Y",
    "Manufacturer": "Siemens",
    "ManufacturerModelName": "Fluorospot Compact FD",
    "StudyInstanceUID": "1.2.840.4711",
    "AccessionNumber": "A-17",
    "PatientName": "Doe^Jane",
    "PatientID": "4711",
}


def header_of(data: bytes, *columns: str, salt: str | None = None) -> dict[str, str]:
    return dict(read_dicom(data, max_pixels=10**6, salt=salt, columns=columns).header)


def test_header_is_empty_unless_columns_are_asked_for(make_dicom: MakeDicom) -> None:
    assert header_of(make_dicom(PIXELS, **HEADER)) == {}


def test_columns_hold_what_the_header_states(make_dicom: MakeDicom) -> None:
    assert header_of(make_dicom(PIXELS, **HEADER), "device", "view", "sex", "age") == {
        "device": "Siemens Fluorospot Compact FD",
        "view": "PA",
        "sex": "F",
        "age": "58",
    }


def test_study_and_accession_are_written_as_keyed_hashes_only(make_dicom: MakeDicom) -> None:
    data = make_dicom(PIXELS, **HEADER)
    assert header_of(data, "study", "accession", salt=SALT) == {
        "study": pseudonym(SALT.encode(), "1.2.840.4711", ""),
        "accession": pseudonym(SALT.encode(), "A-17", ""),
    }
    assert header_of(data, "study", "accession") == {"study": "", "accession": ""}


def test_columns_that_the_header_does_not_state_are_empty(make_dicom: MakeDicom) -> None:
    assert header_of(make_dicom(PIXELS), *DICOM_COLUMNS, salt=SALT) == dict.fromkeys(DICOM_COLUMNS, "")


@pytest.mark.parametrize(
    ("stated", "years"),
    [("058Y", "58"), ("006M", "0.5"), ("026W", "0.498289"), ("000D", "0"), ("58", ""), ("", "")],
)
@pytest.mark.filterwarnings("ignore:Invalid value for VR:UserWarning")
def test_age_is_in_years(make_dicom: MakeDicom, stated: str, years: str) -> None:
    assert header_of(make_dicom(PIXELS, PatientAge=stated), "age")["age"] == years


@pytest.mark.parametrize(
    ("stated", "cell"),
    [
        ("A\r\nB\tC", "A B C"),
        ("x" * 10_000, "x" * 64),
        ("  Agfa ", "Agfa"),
        (["Agfa", "Fuji"], r"Agfa\Fuji"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*VR LO:UserWarning")
def test_cell_is_one_short_line(make_dicom: MakeDicom, stated: Any, cell: str) -> None:
    assert header_of(make_dicom(PIXELS, Manufacturer=stated), "device")["device"] == cell


@pytest.mark.parametrize(
    ("columns", "salted", "cause"),
    [
        (["view", "name"], True, "got name"),
        (["view", "view"], True, "named twice"),
        (["study"], False, "study .* give --salt too"),
        (["age", "accession"], False, "accession .* give --salt too"),
    ],
)
def test_columns_that_cannot_be_written_are_an_input_error(
    columns: list[str], salted: bool, cause: str
) -> None:
    with pytest.raises(InputError, match=cause):
        check_dicom_columns(columns, salted=salted)


def test_every_column_can_be_written_with_a_salt() -> None:
    check_dicom_columns(DICOM_COLUMNS, salted=True)
    check_dicom_columns(["view", "sex", "age", "device"], salted=False)
