"""Whose image a file is, by its name: only in an NIH set, or by a rule that the user gives."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxr.data.datasets.nih_layout import BOXES, ENTRIES
from cxr.data.datasets.patient_names import PatientNames
from cxr.data.pseudonym import pseudonym
from cxr.errors import InputError

NAME = "00000013_002.png"
SALT = b"correct horse battery"


def patient_in(folder: Path, name: str = NAME, **rule: object) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    return PatientNames(**rule).patient(name, folder / name)  # type: ignore[arg-type]


@pytest.mark.parametrize("table", [BOXES, *ENTRIES])
@pytest.mark.parametrize("images", [".", "images", "images_001", "images_012/images", "images7/images"])
def test_nih_name_in_an_nih_set_holds_the_patient(tmp_path: Path, table: str, images: str) -> None:
    (tmp_path / table).touch()
    assert patient_in(tmp_path / images) == "13"


@pytest.mark.parametrize("images", ["films", "images/more", "films/images", "images_001/images/more"])
def test_nih_name_in_another_folder_holds_no_patient(tmp_path: Path, images: str) -> None:
    (tmp_path / BOXES).touch()
    assert patient_in(tmp_path / images) == ""


def test_nih_set_is_found_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "nih" / "images").mkdir(parents=True)
    (tmp_path / "nih" / BOXES).touch()
    (tmp_path / "link").symlink_to(tmp_path / "nih" / "images")
    assert patient_in(tmp_path / "link") == "13"


@pytest.mark.parametrize(("name", "patient"), [(NAME, "13"), ("20200131_001.png", ""), ("a.png", "")])
def test_nih_names_are_read_anywhere_on_request(tmp_path: Path, name: str, patient: str) -> None:
    assert patient_in(tmp_path, name, source="nih") == patient


@pytest.mark.parametrize(
    ("pattern", "name", "patient"),
    [
        (r"p(\d+)_", "ward/p0012_1.png", "0012"),
        (r"^([^/]+)/", "P 7/study/a.png", "P 7"),
        (r"(?i)pat-(?P<id>[a-z]+)", "x/PAT-Abc.png", "Abc"),
        (r"p(\d+)_", "other.png", ""),
        (r"x|p(\d+)", "x.png", ""),
        (r"(\d+)", "p1/p2.png", "1"),
    ],
)
def test_group_of_a_regular_expression_is_the_patient(
    tmp_path: Path, pattern: str, name: str, patient: str
) -> None:
    assert PatientNames(pattern).patient(name, tmp_path / name) == patient


@given(
    name=st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    pattern=st.sampled_from([r"([ab]+)", r"^(.)", r"(.)$", r"a(b|c)?", r"([^/]*)/", r"(?:a|b)(c*)"]),
)
def test_group_is_what_pythons_search_finds(name: str, pattern: str) -> None:
    text = name.replace("\n", "")
    found = re.search(pattern, text)
    assert PatientNames(pattern).patient(text, None) == ((found and found[1]) or "").strip()


@pytest.mark.parametrize("pattern", [r"(a+)+$", r"((?:a|aa)+)$", r"((?:.*.*)*)x$"])
def test_no_pattern_takes_more_than_moments(pattern: str) -> None:
    if re.compile(pattern).groups != 1:
        pytest.skip("has another number of groups")
    started = time.monotonic()
    PatientNames(pattern).patient("a" * 4000 + "!", None)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("pattern", "cause"),
    [
        ("(", "nor a regular expression"),
        ("NIH", "has 0 groups, but needs one"),
        (r"p(\d+)_(\d+)", "has 2 groups, but needs one"),
        (r"(?<=p)(\d+)", "look-around and back-references are not supported"),
        (r"(a)\1", "look-around and back-references are not supported"),
        ("", "has 0 groups"),
    ],
)
def test_pattern_that_cannot_be_used_is_an_input_error(pattern: str, cause: str) -> None:
    with pytest.raises(InputError, match=cause):
        PatientNames(pattern)


@pytest.mark.parametrize(("source", "name", "patient"), [("nih", NAME, "13"), (r"p(\w+)", "pA7.png", "A7")])
def test_salt_hashes_what_a_name_holds_as_it_hashes_a_clinical_table(
    tmp_path: Path, source: str, name: str, patient: str
) -> None:
    assert patient_in(tmp_path, name, source=source, salt=SALT) == pseudonym(SALT, patient, "")


def test_name_takes_precedence_over_what_the_file_states(tmp_path: Path) -> None:
    rule = PatientNames("nih")
    assert rule.patient(NAME, tmp_path / NAME, "stated") == "13"
    assert rule.patient("a.png", tmp_path / "a.png", "stated") == "stated"


def test_check_counts_nih_names_outside_an_nih_set(tmp_path: Path) -> None:
    names = [NAME, "a.png", "20200131_001.png"]
    note = PatientNames().check(names, [tmp_path / name for name in names])
    assert note is not None
    assert note.startswith("1 file names have the form of the NIH data set")
    assert PatientNames().check(["a.png"], [tmp_path / "a.png"]) is None


def test_check_rejects_a_rule_that_reads_no_name_and_counts_the_names_it_does_not_read() -> None:
    rule = PatientNames(r"p(\d+)_")
    with pytest.raises(InputError, match=r"none of the 1 images has such a name, as 'a\.png'"):
        rule.check(["a.png"], [Path("a.png")])
    paths = [Path("a.png"), Path("p1_1.png")]
    assert rule.check([str(path) for path in paths], paths) == (
        r"1 of 2 images have no patient by --patient-from p(\d+)_"
    )
    assert rule.check(["p1_1.png"], paths[1:]) is None
