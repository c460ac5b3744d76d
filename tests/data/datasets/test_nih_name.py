from __future__ import annotations

import pytest

from cxr.data.datasets.nih_name import nih_patient


@pytest.mark.parametrize(
    ("path", "patient"),
    [
        ("00000001_000.png", "1"),
        ("images_001/images/00030805_012.png", "30805"),
        ("00000000_000.png", "0"),
        ("00000013_000.png.dcm", "13"),
        ("00000013_000/a.png", None),
        ("x00000013_000.png", None),
        ("0000013_000.png", None),
        ("00000013_00.png", None),
        ("00030806_000.png", None),
        ("20200131_001.png", None),
        ("", None),
    ],
)
def test_the_patient_is_the_number_in_an_nih_file_name(path: str, patient: str | None) -> None:
    assert nih_patient(path) == patient
