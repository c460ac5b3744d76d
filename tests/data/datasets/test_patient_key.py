from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxr.data.datasets.patient_key import patient_key, spelled_differently


@given(st.integers(0, 10**12), st.integers(0, 5), st.sampled_from(["", ".", ".0", ".00"]))
def test_all_forms_of_a_whole_number_are_one_patient(number: int, zeros: int, ending: str) -> None:
    assert patient_key(f" {'0' * zeros}{number}{ending}\t") == str(number)


@given(st.text())
def test_the_key_of_a_key_is_the_key(patient_id: str) -> None:
    assert patient_key(patient_key(patient_id)) == patient_key(patient_id)


@pytest.mark.parametrize(("one", "other"), [("7", "70"), ("7.5", "7"), ("P4", "P04"), ("-7", "7")])
def test_different_patients_have_different_keys(one: str, other: str) -> None:
    assert patient_key(one) != patient_key(other)


def test_spellings_of_one_patient_are_grouped() -> None:
    assert spelled_differently(["7", "P1", "007", "8", "7", "p1"]) == [("007", "7"), ("P1", "p1")]
