"""Which column names the image and which the patient: given, or guessed from a table of aliases."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import InputError

if TYPE_CHECKING:
    import pandas as pd

IMAGE, PATIENT = "image", "patient_id"

ALIASES: Mapping[str, tuple[str, ...]] = {
    IMAGE: ("image", "image_index", "image_id", "image_name", "image_file", "image_path", "img", "file_name",
            "dicom_id", "file", "path"),
    PATIENT: ("patient_id", "patient", "pat_id", "subject_id", "subject", "subj_id", "participant_id",
              "person_id", "pid", "mrn", "medical_record_number", "case_id", "record_id"),
}  # fmt: skip
"""Names of the image's and the patient's column, likeliest first; case, blanks and `_` do not count."""


@dataclass(frozen=True)
class ColumnRoles:
    """The roles of columns that a user gave.

    Raises
    ------
    InputError
        If a column has a role and is to be ignored.
    """

    patient: str | None = None
    image: str | None = None
    ignore: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in (self.patient, self.image, *self.categorical):
            if name in self.ignore:
                raise InputError(f"--ignore: the column {name!r} is given another role as well; choose one")


def plain(name: str) -> str:
    """Return a name without case, blanks and punctuation.

    Examples
    --------
    >>> plain("Patient ID"), plain("patient_id")
    ('patientid', 'patientid')
    """
    return re.sub(r"[\W_]+", "", name).lower()


def snake_case(name: str) -> str:
    """Return a name in lower case, with `_` for blanks and before capitals inside it.

    Examples
    --------
    >>> snake_case("Patient Age"), snake_case("PatientAge")
    ('patient_age', 'patient_age')
    """
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().replace(" ", "_")


def is_identifier(name: str) -> bool:
    """Return whether a column's name is an alias of the image's or the patient's."""
    return plain(name) in {plain(alias) for names in ALIASES.values() for alias in names}


def find_role(
    names: Sequence[str], role: str, given: str | None, ignored: Sequence[str], path: Path
) -> tuple[str | None, str]:
    """Find the column of a role among those that are not ignored; with it, a note unless it has that name."""
    if given is not None and given in names:
        return given, "" if given == role else f"{path.name}: {given} is the column {role}, as asked"
    by_plain = {plain(name): name for name in reversed(names) if name not in ignored}
    found = next((by_plain[plain(alias)] for alias in ALIASES[role] if plain(alias) in by_plain), None)
    note = f"{path.name}: {found} is taken as the column {role}"
    return found, "" if found in (None, role) else note


def with_roles(
    frame: pd.DataFrame, image: str | None, patient: str | None, path: Path
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Name the columns of the image and the patient; other columns of these names give way, with a note."""
    renamed = {name: role for name, role in ((image, IMAGE), (patient, PATIENT)) if name is not None}
    taken = {role: name for name, role in renamed.items() if name != role and role in frame.columns}
    notes = tuple(
        f"{path.name}: {role} is dropped, since {name} is the column {role}" for role, name in taken.items()
    )
    return frame.drop(columns=list(taken)).rename(columns=renamed), notes


def check_given(roles: ColumnRoles, tables: Mapping[Path, Iterable[str]]) -> None:
    """Check that every column that the user gave a role is in one of the tables.

    Raises
    ------
    InputError
        With the nearest names.
    """
    present = {name for names in tables.values() for name in names}
    options = {
        "--patient-column": [roles.patient],
        "--image-column": [roles.image],
        "--ignore": roles.ignore,
        "--categorical": roles.categorical,
    }
    for option, names in options.items():
        for name in names:
            if name is not None and name not in present:
                where = " and ".join(str(path) for path in tables)
                raise InputError(f"{where}: {option}: there is no column {name!r}{nearest(name, present)}")


def nearest(name: str, present: Iterable[str]) -> str:
    """Return a remark that offers the names most like one that is missing."""
    by_plain = {plain(one): one for one in present}
    close = [by_plain[one] for one in get_close_matches(plain(name), by_plain, n=3)]
    return f"; did you mean {' or '.join(close)}?" if close else ""


def one_spelling(patients: pd.Series) -> tuple[pd.Series, int]:
    """Give ids that differ only in leading zeros, a final `.0`, blanks or case the first spelling among them.

    Returns
    -------
    patients : Series of str
    spelled : int
        Number of patients that had several spellings.
    """
    keys = patients.map(patient_key)
    first = dict(zip(reversed(keys.tolist()), reversed(patients.tolist()), strict=True))
    spellings = patients.groupby(keys).nunique()
    return keys.map(first), int((spellings > 1).sum())


def patient_key(patient: str) -> str:
    """Return what two spellings of one patient's id have in common.

    Examples
    --------
    >>> patient_key("007"), patient_key("7.0"), patient_key(" p012")
    ('7', '7', 'p12')
    """
    text = re.sub(r"\.0+$", "", patient.strip()).lower()
    return re.sub(r"(?<!\d)0+(?=\d)", "", text)
